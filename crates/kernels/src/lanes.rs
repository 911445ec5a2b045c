//! Sixteen numbers at a time in vector registers, for the innermost loop of `gemm`: one AVX-512
//! register, two AVX2 registers, or an array for CPUs without a version of their own.

/// Numbers that are treated together: columns of a panel, partial sums of a reduction.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers in vector registers.
///
/// # Safety
/// The type is sixteen `f32` in a row and nothing else, so that it can be read from and written to an
/// array of them.
pub(crate) unsafe trait Lanes: Copy {
    /// Rows of a product that fill the latency of the multiply-add without running out of registers.
    const ROWS: usize = 4;
    /// `self + x * b`, `x` in every lane.
    fn multiply_add(self, x: f32, b: Self) -> Self;
    fn add(self, other: Self) -> Self;
    #[inline(always)]
    fn zero() -> Self {
        Self::load(&[0.0; LANES])
    }
    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: the array holds what `Self` consists of; it need not be aligned as `Self` is.
        unsafe { values.as_ptr().cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        // SAFETY: see `load`.
        unsafe { values.as_mut_ptr().cast::<Self>().write_unaligned(self) }
    }
    /// Asks for the memory at `place`, which will be needed soon.
    #[inline(always)]
    fn prefetch(place: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every CPU of this architecture has the instruction, and it reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(place.as_ptr().cast()) }
        }
        let _ = place;
    }
}

/// For CPUs without a version of their own.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Portable([f32; LANES]);

// SAFETY: the sixteen numbers are the only field.
unsafe impl Lanes for Portable {
    #[inline(always)]
    fn multiply_add(self, x: f32, b: Self) -> Self {
        Portable(std::array::from_fn(|i| x.mul_add(b.0[i], self.0[i])))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// Two AVX2 registers. Only used in functions compiled for AVX2 and FMA.
    #[derive(Clone, Copy)]
    #[repr(C)]
    pub struct Avx2(__m256, __m256);

    // SAFETY: twice eight numbers, in order and without a gap.
    unsafe impl Lanes for Avx2 {
        #[inline(always)]
        fn multiply_add(self, x: f32, b: Self) -> Self {
            // SAFETY: these values are made in functions that `vectorized!` compiles for their
            // instructions and calls where the CPU has them.
            unsafe {
                let x = _mm256_set1_ps(x);
                Avx2(_mm256_fmadd_ps(x, b.0, self.0), _mm256_fmadd_ps(x, b.1, self.1))
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Avx2(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }
    }

    /// One AVX-512 register. Only used in functions compiled for AVX-512.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct Avx512(__m512);

    // SAFETY: the register is the only field.
    unsafe impl Lanes for Avx512 {
        /// AVX-512 has 32 registers.
        const ROWS: usize = 8;

        #[inline(always)]
        fn multiply_add(self, x: f32, b: Self) -> Self {
            // SAFETY: see above.
            unsafe { Avx512(_mm512_fmadd_ps(_mm512_set1_ps(x), b.0, self.0)) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Avx512(_mm512_add_ps(self.0, other.0)) }
        }
    }
}
