//! Reading the tables of Markdown.

pub(crate) struct Table {
    pub(crate) line: usize,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

/// The tables of a document. A pipe inside a cell is written `\|`.
pub(crate) fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let row = content.strip_prefix('|').map(|rest| rest.strip_suffix('|').unwrap_or(rest));
        match (row, tables.last_mut().filter(|_| inside)) {
            (Some(row), Some(_)) if row.chars().all(|character| "|-: ".contains(character)) && row.contains('-') => {}
            (Some(row), Some(table)) => table.rows.push((line, cells(row))),
            (Some(row), None) => tables.push(Table { line, header: cells(row), rows: Vec::new() }),
            (None, _) => {}
        }
        inside = row.is_some();
    }
    tables
}

fn cells(row: &str) -> Vec<String> {
    row.replace("\\|", "\0").split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

pub(crate) fn in_backticks(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}
