//! The step of a learner with one weight a position, sixteen features at a time.

use super::Checked;
#[cfg(target_arch = "x86_64")]
use super::Kernel;
use crate::rules::{Event, Rule};

const BLOCK: usize = 16;

/// Takes the event into every slot of a row and steps it.
pub(crate) fn learn<R: Rule>(
    kernel: Checked,
    rule: &R,
    slots: &mut [R::Slot],
    positions: &[u32],
    values: &[f32],
    event: Event,
) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    match kernel.get() {
        // SAFETY: a `Checked` kernel was found to be available on this CPU.
        Kernel::Avx512 => unsafe { avx512(rule, slots, positions, values, event) },
        // SAFETY: as above.
        Kernel::Avx2 => unsafe { avx2(rule, slots, positions, values, event) },
        Kernel::Plain => body(rule, slots, positions, values, event),
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = kernel;
        body(rule, slots, positions, values, event);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R: Rule>(rule: &R, slots: &mut [R::Slot], positions: &[u32], values: &[f32], event: Event) {
    body(rule, slots, positions, values, event);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn avx512<R: Rule>(
    rule: &R,
    slots: &mut [R::Slot],
    positions: &[u32],
    values: &[f32],
    event: Event,
) {
    body(rule, slots, positions, values, event);
}

/// Positions strictly increase, so the slots of a block are distinct and may be stepped together.
#[inline(always)]
fn body<R: Rule>(rule: &R, slots: &mut [R::Slot], positions: &[u32], values: &[f32], event: Event) {
    let push = event.importance * event.gradient;
    let mut block = [R::Slot::default(); BLOCK];
    let mut x = [0.0_f32; BLOCK];
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let features = positions.len().min(values.len()).min(BLOCK);
        for j in 0..features {
            block[j] = slots[positions[j] as usize];
            x[j] = values[j];
        }
        // All sixteen, so that the loop has a fixed length; what is left over is not written back.
        for j in 0..BLOCK {
            let rate = rule.prepare(&mut block[j], x[j], event);
            rule.step(&mut block[j], x[j], rate, push);
        }
        for j in 0..features {
            slots[positions[j] as usize] = block[j];
        }
    }
}
