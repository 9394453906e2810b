//! Wrong usage, in one line.

use core::error::Error as _;
use core::fmt::{self, Display};
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::escape::push_escaped;
use crate::values::BadValue;

/// Why there is nothing to do.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help or the version was asked for.
    Help(clap::Error),
    /// Something is wrong.
    Usage(UsageError),
}

/// Wrong usage or an unreadable file: one line for a person, which names the option and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError(String);

impl UsageError {
    /// `problem` says what is wrong with `option`, and what to do.
    pub(crate) fn new(option: impl Display, problem: impl Display) -> Self {
        Self(format!("{option}: {problem}"))
    }
}

impl Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever a value or a file name holds: one line.
        let mut line = String::new();
        self.0.chars().for_each(|character| push_escaped(&mut line, character));
        f.write_str(&line)
    }
}

/// The command up to its subcommand, for "see .. --help".
pub(crate) fn here(args: &[OsString]) -> String {
    let known = |name: &&str| ["demo", "server", "client", "tunnel", "cert"].contains(name);
    let subcommand = args.get(1).and_then(|name| name.to_str()).filter(known);
    subcommand.map_or("dtls".to_owned(), |name| format!("dtls {name}"))
}

/// Says in one line what the parser says in several.
pub(crate) fn refusal(error: clap::Error, here: &str) -> Refusal {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Refusal::Help(error);
    }
    let context = |kind| error.get(kind).map(context_text).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    // "--suites <A,B>" where only "--suites" is meant.
    let option = argument.split(" <").next().unwrap_or_default().trim_matches(['<', '>']);
    let value = context(ContextKind::InvalidValue);
    let see = format!("see `{here} --help`");
    Refusal::Usage(match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            UsageError::new("SUBCOMMAND", "missing; give demo, server, client, tunnel or cert, see `dtls --help`")
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(ContextKind::InvalidSubcommand);
            let problem =
                if SUBCOMMANDS_TO_COME.contains(&name.as_str()) { "not supported yet" } else { "no such subcommand" };
            UsageError::new(name, format!("{problem}; give demo, server, client, tunnel or cert, {see}"))
        }
        ErrorKind::UnknownArgument => match context(ContextKind::SuggestedArg) {
            none if none.is_empty() => UsageError::new(option, format!("not an option here; {see}")),
            similar => UsageError::new(option, format!("not an option here, {similar} is; {see}")),
        },
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            same if same == argument => UsageError::new(option, "given twice; give it once"),
            other => {
                let other = other.split(" <").next().unwrap_or_default();
                UsageError::new(option, format!("cannot go with {other}; give one of them"))
            }
        },
        ErrorKind::MissingRequiredArgument => UsageError::new(option, format!("missing; {see}")),
        ErrorKind::InvalidValue if value.is_empty() => UsageError::new(option, format!("its value is missing; {see}")),
        ErrorKind::InvalidValue => {
            let allowed = context(ContextKind::ValidValue);
            UsageError::new(option, format!("\"{value}\": unknown; allowed: {allowed}"))
        }
        ErrorKind::ValueValidation => match error.source() {
            Some(bad) if bad.is::<BadValue>() => UsageError::new(option, bad),
            Some(source) => UsageError::new(option, format!("\"{value}\": {source}")),
            None => UsageError::new(option, format!("\"{value}\" is no value for it; {see}")),
        },
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            UsageError::new(here, format!("{}; {see}", line.trim_start_matches("error: ")))
        }
    })
}

fn context_text(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Subcommands that the command is going to have.
pub(crate) const SUBCOMMANDS_TO_COME: [&str; 1] = ["bench"];
