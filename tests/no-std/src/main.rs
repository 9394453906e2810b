//! A program without std that uses dtls-core: the proof that the engine and its default cryptography need none.
//!
//! It has its own panic handler. So has std, and a program can have only one: as soon as any dependency pulls std in, the
//! compiler stops with a duplicate lang item (E0152). The C library supplies the entry point and what ring asks of its
//! platform; nothing of Rust's std is linked.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::hint;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use dtls_core::Instant;

#[expect(unsafe_code, reason = "it declares nothing: it only asks for the C library, which std would have asked for")]
#[link(name = "c")]
unsafe extern "C" {}

/// Called by the C runtime. Zero if time and the heap behave.
#[expect(unsafe_code, reason = "the C runtime looks for this name; no other function of this program has it")]
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    let deadline = Box::new(Instant::ORIGIN + Duration::from_secs(1));
    c_int::from(*hint::black_box(deadline) <= Instant::ORIGIN)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        hint::spin_loop();
    }
}

/// Hands out a fixed arena from front to back and takes nothing back.
struct Bump {
    arena: UnsafeCell<[u8; ARENA]>,
    used: AtomicUsize,
}

#[expect(unsafe_code, reason = "the arena is only reached through ranges that `used` has handed out once")]
unsafe impl Sync for Bump {}

#[expect(unsafe_code, reason = "an allocator cannot be written without it")]
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get().cast::<u8>();
        let mut start = 0;
        let claim = |used: usize| {
            let padding = base.wrapping_add(used).align_offset(layout.align());
            start = used.checked_add(padding)?;
            start.checked_add(layout.size()).filter(|end| *end <= ARENA)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim) {
            Ok(_) => base.wrapping_add(start),
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { arena: UnsafeCell::new([0; ARENA]), used: AtomicUsize::new(0) };

const ARENA: usize = 64 * 1024;
