//! Sessions in numbered slots, and names for them that outlive them without ever meaning another.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names one session of an [`Endpoint`](crate::Endpoint), now and after its end: a handle is never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    index: u32,
    /// How many sessions the slot had before.
    generation: u32,
}

/// What is behind the handles.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// How many slots have a value.
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    // Boxed, so that growth moves pointers and an empty slot is small.
    value: Option<Box<T>>,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// `None` when every number has been used up.
    pub(crate) fn insert(&mut self, value: T) -> Option<Handle> {
        if let Some(index) = self.free.pop() {
            let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
            slot.value = Some(Box::new(value));
            self.len += 1;
            return Some(Handle { index, generation: slot.generation });
        }
        let index = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { generation: 0, value: Some(Box::new(value)) });
        self.len += 1;
        Some(Handle { index, generation: 0 })
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        let slot = self.slots.get(usize::try_from(handle.index).ok()?)?;
        if slot.generation == handle.generation { slot.value.as_deref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let slot = self.slots.get_mut(usize::try_from(handle.index).ok()?)?;
        if slot.generation == handle.generation { slot.value.as_deref_mut() } else { None }
    }

    /// All values with their names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(index, slot)| Some((Handle { index, generation: slot.generation }, slot.value.as_deref()?)))
    }

    pub(crate) fn remove(&mut self, handle: Handle) {
        let slot = usize::try_from(handle.index).ok().and_then(|index| self.slots.get_mut(index));
        let Some(slot) = slot.filter(|slot| slot.generation == handle.generation && slot.value.is_some()) else {
            return;
        };
        slot.value = None;
        self.len -= 1;
        // A slot whose generations are used up stays empty: better a few bytes lost than a handle given out twice.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(handle.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_never_means_another_value() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        slots.remove(first);
        let second = slots.insert('b').unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!((slots.get(first), slots.get(second)), (None, Some(&'b')));
        slots.remove(first);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'b'));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_not_used_again() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        slots.slots[0].generation = u32::MAX;
        let last = Handle { generation: u32::MAX, ..first };
        slots.remove(last);
        let next = slots.insert('b').unwrap();
        assert_ne!(next.index, last.index);
        assert_eq!(slots.get(last), None);
    }
}
