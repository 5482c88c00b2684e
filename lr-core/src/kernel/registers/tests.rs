//! Every kind of registers beside arrays.

use super::{
    super::{Kernel, bank::Lanes},
    *,
};

/// Different numbers, none of them 0.
fn numbers(first: f32) -> [f32; 16] {
    std::array::from_fn(|k| first + f32::from(u8::try_from(k).unwrap()))
}

#[allow(unsafe_code)]
fn load<F: Floats>(numbers: &[f32; 16]) -> F {
    // SAFETY: sixteen numbers, and the CPU has the instructions.
    unsafe { F::load(numbers.as_ptr()) }
}

#[allow(unsafe_code)]
fn list<F: Floats>(register: F) -> Vec<f32> {
    let mut numbers = [0.0; 16];
    // SAFETY: as above.
    unsafe { register.store(numbers.as_mut_ptr()) }
    numbers[..F::LANES].to_vec()
}

#[allow(unsafe_code)]
fn floats_are_those_of_arrays<F: Floats>() {
    let (a, b) = (numbers(1.0), numbers(101.0));
    let (left, right) = (load::<F>(&a), load::<F>(&b));
    // Lanes of a quad of the one, then, from 4 on, of the other.
    let by_quads = |lanes: [usize; 4]| -> Vec<f32> {
        let quads = a.chunks(4).zip(b.chunks(4)).take(F::LANES / 4);
        quads
            .flat_map(|(a, b)| lanes.map(|lane| if lane < 4 { a[lane] } else { b[lane - 4] }))
            .collect()
    };
    let expected = [
        (left.zip_low(right), by_quads([0, 4, 1, 5])),
        (left.zip_high(right), by_quads([2, 6, 3, 7])),
        (left.join_low(right), by_quads([0, 1, 4, 5])),
        (left.join_high(right), by_quads([2, 3, 6, 7])),
        (left.evens(right), by_quads([0, 2, 4, 6])),
        (left.odds(right), by_quads([1, 3, 5, 7])),
    ];
    for (k, (register, expected)) in expected.into_iter().enumerate() {
        assert_eq!(list(register), expected, "{k}");
    }
    assert_eq!(list(F::of_quads(left.quads())), a[..F::LANES]);
    assert_eq!(list(left.least(right)), a[..F::LANES]);
    assert_eq!(list(right.least(left)), a[..F::LANES]);
    for quad in 0..F::LANES / 4 {
        assert_eq!(left.first_of(quad).to_bits(), a[4 * quad].to_bits());
    }
    for count in 0..=F::LANES {
        let first = [&b[..count], &a[count..F::LANES]].concat();
        assert_eq!(list(left.with_first(count, right)), first, "{count}");
        let mask = F::mask(u16::try_from((1_u32 << count) - 1).unwrap());
        assert_eq!(list(F::select(mask, right, left)), first, "{count}");
        assert_eq!(F::any(mask), count > 0);
        assert_eq!(F::any(F::either(F::mask(0), mask)), count > 0);
        // What is not loaded may not be there.
        let some = a[..count].to_vec();
        // SAFETY: as many numbers as are asked for, and the CPU has the instructions.
        let loaded: F = unsafe { F::load_first(some.as_ptr(), count, 7.5) };
        let filled = [&some[..], &vec![7.5; F::LANES - count]].concat();
        assert_eq!(list(loaded), filled, "{count}");
        if count > 0 {
            let last = list(left.last_first(count));
            assert_eq!(last[..count], a[F::LANES - count..F::LANES], "{count}");
        }
    }
    let turned = turn([left, right, right, left]).map(list);
    for (k, turned) in turned.into_iter().enumerate() {
        let quads = (0..F::LANES / 4).flat_map(|l| {
            let at = 4 * l + k;
            [a[at], b[at], b[at], a[at]]
        });
        assert_eq!(turned, quads.collect::<Vec<_>>(), "{k}");
    }
    let mut places = [0_u64; 16];
    let positions: [u32; 16] = std::array::from_fn(|k| u32::MAX - u32::try_from(k).unwrap());
    // SAFETY: sixteen numbers and room for sixteen, and the CPU has the instructions.
    unsafe {
        F::load(positions.as_ptr().cast()).store_shifted::<6>(places.as_mut_ptr());
    }
    for (place, position) in places.iter().zip(positions).take(F::LANES) {
        assert_eq!(*place, u64::from(position) * 64);
    }
    // Sums of halves: only their order could differ, and whole numbers have none.
    let total: f32 = a[..F::LANES].iter().sum();
    assert_eq!(left.total().to_bits(), total.to_bits());
}

#[allow(unsafe_code)]
fn sixteen_are_those_of_arrays<R: Registers>() {
    let (a, b) = (numbers(1.0), numbers(101.0));
    let (left, right) = (load::<R::Sixteen>(&a), load::<R::Sixteen>(&b));
    let aligned = Lanes(a);
    let lanes: [u32; 16] = [3, 3, 15, 8, 0, 7, 9, 12, 1, 14, 2, 11, 10, 4, 5, 13];
    let permuted = left.permuted(R::Sixteen::lanes(&lanes));
    assert_eq!(list(permuted), lanes.map(|lane| a[lane as usize]));
    let widened = list(R::widen(load::<R::Eight>(&b)));
    assert_eq!(widened[..8], b[..8]);
    let mut expected = a;
    expected[11] = 0.75;
    assert_eq!(list(left.with_before_last(0.75)), expected);
    for quad in 0..4 {
        let mut expected = a;
        expected[12..].copy_from_slice(&b[4 * quad..4 * quad + 4]);
        assert_eq!(list(left.with_last(right, quad)), expected, "{quad}");
        let kinds: [u32; 16] = [2, 0, 3, 1, 1, 1, 0, 2, 3, 0, 1, 2, 2, 3, 0, 0];
        for mask in [0xa5c3_u16, 0x0039] {
            let chosen = |lane: usize| {
                if mask >> lane & 1 == 1 {
                    a[4 * quad + kinds[lane] as usize]
                } else {
                    b[lane]
                }
            };
            let (kinds, lanes) = (R::Sixteen::lanes(&kinds), R::Sixteen::mask(mask));
            // SAFETY: sixteen aligned numbers, and the CPU has the instructions.
            let (any, early) = unsafe {
                (
                    left.chosen::<false>(aligned.0.as_ptr(), quad, kinds, lanes, right),
                    left.chosen::<true>(aligned.0.as_ptr(), quad, kinds, lanes, right),
                )
            };
            let expected: [f32; 16] = std::array::from_fn(chosen);
            assert_eq!(list(any), expected, "{quad} {mask}");
            if mask < 0x100 {
                assert_eq!(list(early), expected, "{quad} {mask}");
            }
        }
    }
    let [four, ..] = right.quads();
    let joined = R::joined(left, four);
    let mut doubles = [0.0_f64; 16];
    for (part, register) in joined.iter().take(parts::<R::Doubles>()).enumerate() {
        let place = part * R::Doubles::LANES;
        // SAFETY: a part of sixteen numbers, and the CPU has the instructions.
        unsafe { register.store(doubles.as_mut_ptr().add(place)) }
    }
    let expected = [&a[..11], &b[..4], &[1.0]].concat();
    assert_eq!(
        doubles.to_vec(),
        expected.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()
    );
    for (lane, number) in doubles.iter().enumerate() {
        let spread = R::Doubles::spread(joined, &doubles, lane);
        let mut all = [0.0_f64; 8];
        // SAFETY: room for eight numbers, and the CPU has the instructions.
        unsafe { spread.store(all.as_mut_ptr()) }
        assert_eq!(
            all[..R::Doubles::LANES],
            vec![*number; R::Doubles::LANES],
            "{lane}"
        );
    }
    let total: f64 = doubles[..8].iter().sum();
    assert_eq!(R::Doubles::total(joined).to_bits(), total.to_bits());
}

#[test]
fn registers_of_avx2_are_arrays() {
    if Kernel::Avx2.is_available() {
        floats_are_those_of_arrays::<<Avx2 as Registers>::Eight>();
        floats_are_those_of_arrays::<<Avx2 as Registers>::Sixteen>();
        sixteen_are_those_of_arrays::<Avx2>();
    }
}

#[test]
fn registers_of_avx512_are_arrays() {
    if Kernel::Avx512.is_available() {
        floats_are_those_of_arrays::<<Avx512 as Registers>::Sixteen>();
        sixteen_are_those_of_arrays::<Avx512>();
    }
}
