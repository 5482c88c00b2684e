//! The learner's settings on a command line.

use lr_core::{LearnerConfig, OptimizerConfig};

use crate::cli::Failure;

/// Flags that choose the learner; the default needs none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LearnerArgs {
    /// How to learn: bank (nothing to tune), ftrl, adagrad, normalized or sgd
    #[arg(long, default_value = "bank", value_name = "NAME")]
    optimizer: String,
    /// Step size of every optimizer but the bank (alpha of ftrl)
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Events after which evidence counts half, at least 100, for a stream that drifts [default: never]
    #[arg(long, value_name = "EVENTS")]
    half_life: Option<f64>,
}

impl LearnerArgs {
    /// The settings.
    ///
    /// # Errors
    ///
    /// There is no such optimizer, or it takes no learning rate.
    pub fn config(&self) -> Result<LearnerConfig, Failure> {
        let optimizer: OptimizerConfig = self
            .optimizer
            .parse()
            .map_err(|source| Failure::usage(format!("--optimizer: {source}")))?;
        let config = learner(optimizer, self.learning_rate)?;
        Ok(match self.half_life {
            Some(events) => config.half_life(events),
            None => config,
        })
    }
}

/// A learner with this optimizer and, if given, this learning rate.
///
/// # Errors
///
/// The optimizer takes no learning rate.
pub fn learner(
    mut optimizer: OptimizerConfig,
    learning_rate: Option<f64>,
) -> Result<LearnerConfig, Failure> {
    if let Some(rate) = learning_rate {
        match &mut optimizer {
            OptimizerConfig::Ftrl(config) => config.alpha = rate,
            OptimizerConfig::AdaGrad(config) => config.learning_rate = rate,
            OptimizerConfig::Normalized(config) => config.learning_rate = rate,
            OptimizerConfig::Sgd(config) => config.learning_rate = rate,
            other => {
                let name = other.name();
                let message = format!("--learning-rate: optimizer {name} takes none");
                return Err(Failure::usage(message));
            }
        }
    }
    Ok(LearnerConfig::default().optimizer(optimizer))
}
