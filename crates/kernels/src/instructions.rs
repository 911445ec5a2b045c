//! The vector instructions that kernels use: chosen once, the same for all of them.
//!
//! Every kernel gives the same bits with every set. Reductions keep sixteen partial sums wherever
//! they run, a multiply-add is rounded once (`mul_add`, in software where the CPU has none), and
//! logarithms and angles come from the crate `libm`, because the C library has variants by CPU.

use std::sync::LazyLock;

/// Vector instructions that the kernels are compiled for, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum InstructionSet {
    /// What every CPU of the architecture has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

/// The environment variable that asks for a weaker set than the best.
const VARIABLE: &str = "SFT_VS_RL_INSTRUCTIONS";

static CHOSEN: LazyLock<Result<InstructionSet, String>> = LazyLock::new(|| match std::env::var(VARIABLE) {
    Ok(name) => InstructionSet::named(&name),
    Err(_) => Ok(InstructionSet::best()),
});

impl InstructionSet {
    /// The best set that this CPU has.
    pub fn best() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            let avx512 = std::arch::is_x86_feature_detected!("avx512f");
            return if avx512 { InstructionSet::Avx512 } else { InstructionSet::Avx2 };
        }
        InstructionSet::Portable
    }

    /// The set in use: the best, or what `SFT_VS_RL_INSTRUCTIONS` (`avx512`, `avx2`, `portable`) asks
    /// for. Read once.
    ///
    /// # Errors
    /// A message where the variable names no set, or one that this CPU does not have. The kernels
    /// themselves cannot refuse; they then use the best set, so a program asks here before it starts.
    pub fn chosen() -> Result<InstructionSet, String> {
        CHOSEN.clone()
    }

    /// Never more than [`InstructionSet::best`].
    pub(crate) fn current() -> InstructionSet {
        CHOSEN.as_ref().copied().unwrap_or_else(|_| InstructionSet::best())
    }

    fn named(name: &str) -> Result<InstructionSet, String> {
        match (name.parse(), InstructionSet::best()) {
            (Ok(set), best) if set <= best => Ok(set),
            (Ok(_), best) => Err(format!("{VARIABLE}={name}: this CPU has at best {best}")),
            (Err(_), _) => Err(format!("{VARIABLE}={name}: unknown; known: avx512, avx2, portable")),
        }
    }
}

/// Compiles functions for each instruction set and calls the version of the one in use. Inside the
/// bodies, the type `L` is sixteen numbers in that set's registers (`lanes.rs`); plain loops are made
/// into vector code by the compiler.
macro_rules! vectorized {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )+) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body<L: $crate::lanes::Lanes>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::instructions::InstructionSet;

                #[target_feature(enable = "avx512f,avx2,fma")]
                fn avx512($($arg: $type),*) $(-> $ret)? { body::<$crate::lanes::x86::Avx512>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $ret)? { body::<$crate::lanes::x86::Avx2>($($arg),*) }

                match InstructionSet::current() {
                    // SAFETY: the set in use is never more than the CPU was seen to have.
                    InstructionSet::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: see above.
                    InstructionSet::Avx2 => return unsafe { avx2($($arg),*) },
                    InstructionSet::Portable => {}
                }
            }
            body::<$crate::lanes::Portable>($($arg),*)
        }
    )+};
}
pub(crate) use vectorized;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_name_and_must_be_there() {
        assert_eq!(InstructionSet::named("portable"), Ok(InstructionSet::Portable));
        assert_eq!(InstructionSet::named(&InstructionSet::best().to_string()), Ok(InstructionSet::best()));
        assert!(InstructionSet::named("sse9").unwrap_err().contains("portable"));
        if InstructionSet::best() < InstructionSet::Avx512 {
            assert!(InstructionSet::named("avx512").unwrap_err().contains("at best"));
        }
    }
}
