//! Products and solutions of triangles in tiles of eight by eight.

mod plain;
#[cfg(target_arch = "x86_64")]
mod registers;

#[cfg(target_arch = "x86_64")]
use super::registers::{Avx2, Avx512, Registers};
use super::{Checked, dispatch};

/// Rows and columns of a tile.
pub(crate) const SIDE: usize = 8;

/// Eight columns of eight rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub(crate) [[f64; SIDE]; SIDE]);

/// Tiles of a triangle before those of tile row `row`.
pub(crate) fn before(row: usize) -> usize {
    row * (row + 1) / 2
}

/// Defines loops that `plain` and `registers` have in common.
macro_rules! twins {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(kernel: Checked, $($argument: $type),*) $(-> $result)? {
            dispatch!(
                kernel,
                plain::$name,
                registers::$name::<<Avx2 as Registers>::Doubles>,
                registers::$name::<<Avx512 as Registers>::Doubles>,
                ($($argument: $type),*) $(-> $result)?
            )
        }
    )*};
}

twins! {
    /// `target −= Σ leftₖ rightₖᵀ`, in the order of columns.
    fn subtract_products(target: &mut Tile, left: &[Tile], right: &[Tile]);

    /// `target ← target L⁻ᵀ`, of a lower triangle L.
    fn divide(target: &mut Tile, pivots: &Tile);

    /// Returns the sum of the columns of a row of tiles, times x. Column c of a tile is added to
    /// chain c mod 4.
    fn sum_columns(row: &[Tile], x: &[[f64; SIDE]]) -> [f64; SIDE];

    /// Returns the sums of the rows times x, of the tiles in tile column `j` below the diagonal. Row
    /// r of a tile is added to lane r, and the lanes are added pairwise.
    fn sum_rows(tiles: &[Tile], j: usize, x: &[[f64; SIDE]]) -> [f64; SIDE];
}
