//! The exact solver against its optimality conditions, a dense Newton loop and itself.

use approx::assert_relative_eq;
use lr_core::{
    BiasTerm, ExactSolver, GradientSums, LabeledBatch, LinearModel, RowError, SolveError,
    SolverConfig, SolverConfigError, logistic_loss, sigmoid,
    sprs::{CsMatI, TriMatI},
};
use proptest::prelude::*;

/// Rows, labels and importances of a problem.
#[derive(Debug, Clone)]
struct Problem {
    rows: CsMatI<f32, u32, usize>,
    labels: Vec<bool>,
    importances: Vec<f32>,
}

impl Problem {
    fn batch(&self) -> LabeledBatch<'_> {
        LabeledBatch::new(self.rows.view(), &self.labels, Some(&self.importances)).unwrap()
    }

    fn dense(&self) -> Vec<Vec<f64>> {
        let mut dense = vec![vec![0.0; self.rows.cols()]; self.rows.rows()];
        for (&value, (row, column)) in self.rows.iter() {
            dense[row as usize][column as usize] = f64::from(value);
        }
        dense
    }
}

/// Pseudo-random rows: a frequent column, rarer ones, asymmetric values and importances.
fn problem(rows: usize, columns: u32, one_hot: bool) -> Problem {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut matrix = TriMatI::<f32, u32>::new((rows, columns as usize));
    let (mut labels, mut importances) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let mut margin = -1.0;
        for column in 0..columns {
            if next(u64::from(column) + 2) != 0 {
                continue;
            }
            let value = if one_hot {
                1.0
            } else {
                next(400) as f32 / 100.0 - 1.5
            };
            matrix.add_triplet(row, column as usize, value);
            margin += f64::from(value) * if column % 3 == 0 { 0.8 } else { -0.5 };
        }
        labels.push((next(1000) as f64) < 1000.0 * sigmoid(margin));
        importances.push(next(5) as f32 / 2.0);
    }
    Problem {
        rows: matrix.to_csr(),
        labels,
        importances,
    }
}

fn solver(config: SolverConfig) -> ExactSolver {
    ExactSolver::new(config.tolerance(1e-12)).unwrap()
}

/// Gradient of the weighted loss by the definition, bias last.
fn naive_gradient(problem: &Problem, weights: &[f64], bias: f64) -> (f64, Vec<f64>) {
    let mut gradient = vec![0.0; weights.len() + 1];
    let mut loss = 0.0;
    for (i, x) in problem.dense().iter().enumerate() {
        let margin = bias + x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
        let c = f64::from(problem.importances[i]);
        loss += c * logistic_loss(margin, problem.labels[i]);
        let residual = c * (sigmoid(margin) - f64::from(u8::from(problem.labels[i])));
        for (g, x) in gradient.iter_mut().zip(x) {
            *g += residual * x;
        }
        gradient[weights.len()] += residual;
    }
    (loss, gradient)
}

#[test]
fn the_optimum_has_a_zero_subgradient() {
    for (l1, l2) in [(0.0, 1.0), (0.0, 0.01), (2.0, 0.1), (1.0, 0.0), (5.0, 1.0)] {
        for one_hot in [true, false] {
            for bias in [BiasTerm::Free, BiasTerm::Penalized, BiasTerm::Absent] {
                let problem = problem(400, 30, one_hot);
                let config = SolverConfig::default().l1(l1).l2(l2).bias(bias);
                // With L1 alone the gap is of first order in what is left of the subgradient.
                let tolerance = if l2 > 0.0 { 1e-12 } else { 1e-7 };
                let solver = ExactSolver::new(config.tolerance(tolerance)).unwrap();
                let solution = solver.solve(&problem.batch()).unwrap();
                let case = format!("l1 {l1} l2 {l2} one-hot {one_hot} {bias:?} {solution:?}");
                assert!(solution.converged, "{case}");
                let (loss, gradient) = naive_gradient(&problem, &solution.weights, solution.bias);
                let mut penalty = 0.0;
                for (&w, &g) in solution.weights.iter().zip(&gradient) {
                    penalty += l1 * w.abs() + l2 / 2.0 * w * w;
                    let excess = if w == 0.0 {
                        (g.abs() - l1).max(0.0)
                    } else {
                        (g + l2 * w + l1 * w.signum()).abs()
                    };
                    assert!(excess < 1e-3, "subgradient {excess} at {w}: {case}");
                }
                let bias_l2 = if bias == BiasTerm::Penalized { l2 } else { 0.0 };
                let slope = gradient[30] + bias_l2 * solution.bias;
                penalty += bias_l2 / 2.0 * solution.bias * solution.bias;
                assert!(
                    bias == BiasTerm::Absent || slope.abs() < 1e-3,
                    "bias {slope}: {case}"
                );
                assert!(bias != BiasTerm::Absent || solution.bias == 0.0);
                assert_relative_eq!(solution.objective, loss + penalty, max_relative = 1e-12);
            }
        }
    }
}

#[test]
fn a_dense_newton_loop_finds_the_same_weights() {
    let problem = problem(200, 6, false);
    let l2 = 0.7;
    let solution = solver(SolverConfig::default().l2(l2))
        .solve(&problem.batch())
        .unwrap();
    let mut point = vec![0.0; 7];
    for _ in 0..50 {
        let (_, mut gradient) = naive_gradient(&problem, &point[..6], point[6]);
        let mut hessian = vec![vec![0.0; 7]; 7];
        for (i, x) in problem.dense().into_iter().enumerate() {
            let x: Vec<f64> = x.into_iter().chain([1.0]).collect();
            let p = sigmoid(x.iter().zip(&point).map(|(x, w)| x * w).sum());
            let curvature = f64::from(problem.importances[i]) * p * (1.0 - p);
            for a in 0..7 {
                for b in 0..7 {
                    hessian[a][b] += curvature * x[a] * x[b];
                }
            }
        }
        for j in 0..6 {
            gradient[j] += l2 * point[j];
            hessian[j][j] += l2;
        }
        for (w, step) in point.iter_mut().zip(gauss(hessian, gradient)) {
            *w -= step;
        }
    }
    // The tolerance bounds the objective to 1e-12, so weights agree to about its root.
    for (w, expected) in solution.weights.iter().zip(&point) {
        assert_relative_eq!(w, expected, epsilon = 1e-5, max_relative = 1e-5);
    }
    assert_relative_eq!(solution.bias, point[6], epsilon = 1e-5, max_relative = 1e-5);
}

/// Solves a dense system by elimination.
pub(crate) fn gauss(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for k in i + 1..n {
            let factor = a[k][i] / a[i][i];
            let upper = a[i].clone();
            a[k].iter_mut()
                .zip(&upper)
                .for_each(|(x, u)| *x -= factor * u);
            b[k] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - sum) / a[i][i];
    }
    b
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let problem = problem(6000, 40, false);
    for config in [
        SolverConfig::default(),
        SolverConfig::default().l1(3.0).l2(0.1),
    ] {
        let bytes = |threads| {
            let solver = ExactSolver::new(config.clone().tolerance(1e-6).threads(threads)).unwrap();
            let solution = solver.solve(&problem.batch()).unwrap();
            assert!(solution.converged);
            let weights: Vec<u64> = solution.weights.iter().map(|w| w.to_bits()).collect();
            (
                weights,
                solution.bias.to_bits(),
                solution.objective.to_bits(),
            )
        };
        let one = bytes(1);
        for threads in [2, 3, 8, 100] {
            assert_eq!(bytes(threads), one, "{threads} threads");
        }
    }
}

#[test]
fn the_duality_gap_bounds_the_true_gap_on_the_way() {
    for (l1, l2, bias) in [
        (0.0, 1.0, BiasTerm::Free),
        (1.0, 0.0, BiasTerm::Free),
        (1.0, 0.5, BiasTerm::Absent),
        (0.0, 2.0, BiasTerm::Penalized),
    ] {
        let problem = problem(300, 20, false);
        let config = SolverConfig::default().l1(l1).l2(l2).bias(bias);
        let best = solver(config.clone()).solve(&problem.batch()).unwrap();
        for steps in 1..5 {
            let early = solver(config.clone().max_iterations(steps))
                .solve(&problem.batch())
                .unwrap();
            let gap = early.objective - best.objective;
            assert!(
                gap <= early.duality_gap + 1e-9,
                "{l1} {l2} {steps}: {gap} {early:?}"
            );
            assert!(gap >= -1e-9 * best.objective);
        }
    }
}

#[test]
fn an_importance_of_three_counts_as_three_rows() {
    let once = problem(50, 5, false);
    let mut rows = TriMatI::<f32, u32>::new((150, 5));
    for (&value, (row, column)) in once.rows.iter() {
        for copy in 0..3 {
            rows.add_triplet(3 * row as usize + copy, column as usize, value);
        }
    }
    let labels: Vec<bool> = once.labels.iter().flat_map(|&label| [label; 3]).collect();
    let triple = Problem {
        rows: rows.to_csr(),
        labels,
        importances: vec![1.0; 150],
    };
    let weighted = Problem {
        importances: vec![3.0; 50],
        ..once
    };
    let solver = solver(SolverConfig::default());
    let (a, b) = (
        solver.solve(&triple.batch()).unwrap(),
        solver.solve(&weighted.batch()).unwrap(),
    );
    assert_relative_eq!(a.objective, b.objective, max_relative = 1e-11);
    assert_relative_eq!(a.weights[0], b.weights[0], max_relative = 1e-4);
}

#[test]
fn a_warm_start_at_the_optimum_takes_no_step_and_has_no_gap() {
    let problem = problem(500, 20, true);
    let solver = ExactSolver::new(SolverConfig::default().tolerance(1e-8)).unwrap();
    let cold = solver.solve(&problem.batch()).unwrap();
    let model = cold.model().unwrap();
    let warm = solver.solve_from(&problem.batch(), &model).unwrap();
    assert!(
        cold.newton_steps > 2 && warm.newton_steps == 0,
        "{cold:?} {warm:?}"
    );
    let gap = solver.gap_to_optimum(&problem.batch(), &model).unwrap();
    assert!(gap.relative_gap().abs() < 1e-8);
    let zero = LinearModel::new(vec![0.0; 20], 0.0).unwrap();
    let gap = solver.gap_to_optimum(&problem.batch(), &zero).unwrap();
    let importance: f64 = problem.importances.iter().map(|&c| f64::from(c)).sum();
    assert_relative_eq!(
        gap.objective,
        importance * 2.0_f64.ln(),
        max_relative = 1e-12
    );
    assert!(gap.gap() > 1.0);
}

#[test]
fn settings_outside_of_their_range_are_refused() {
    let config = SolverConfig::default();
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        for config in [config.clone().l1(value), config.clone().l2(value)] {
            let error = ExactSolver::new(config).unwrap_err();
            assert!(
                matches!(error, SolverConfigError::PenaltyOutOfRange { .. }),
                "{error}"
            );
        }
    }
    for tolerance in [0.0, 1e-13, 1.0, f64::NAN] {
        let error = ExactSolver::new(config.clone().tolerance(tolerance)).unwrap_err();
        assert!(
            matches!(error, SolverConfigError::ToleranceOutOfRange { .. }),
            "{error}"
        );
    }
    assert_eq!(
        ExactSolver::new(config.clone().l2(0.0)),
        Err(SolverConfigError::NoPenalty)
    );
    let zero = |name| Err(SolverConfigError::Zero { name });
    assert_eq!(ExactSolver::new(config.clone().threads(0)), zero("threads"));
    assert_eq!(
        ExactSolver::new(config.max_iterations(0)),
        zero("max_iterations")
    );
}

#[test]
fn batches_that_contradict_themselves_are_refused() {
    let Problem {
        rows,
        labels,
        importances,
    } = problem(10, 4, true);
    let mismatch = LabeledBatch::new(rows.view(), &labels[1..], None).unwrap_err();
    assert!(matches!(
        mismatch,
        RowError::LengthMismatch {
            left: 9,
            right: 10,
            ..
        }
    ));
    let mismatch = LabeledBatch::new(rows.view(), &labels, Some(&importances[..3])).unwrap_err();
    assert!(matches!(
        mismatch,
        RowError::LengthMismatch {
            left: 3,
            right: 10,
            ..
        }
    ));
    let mut negative = importances.clone();
    negative[4] = -1.0;
    let refused = LabeledBatch::new(rows.view(), &labels, Some(&negative)).unwrap_err();
    assert!(matches!(refused, RowError::ImportanceOutOfRange { .. }));
    let by_column = rows.to_csc();
    let refused = LabeledBatch::new(by_column.view(), &labels, None).unwrap_err();
    assert_eq!(refused, RowError::BatchNotByRow);
    let model = LinearModel::new(vec![0.0; 5], 0.0).unwrap();
    let batch = LabeledBatch::new(rows.view(), &labels, None).unwrap();
    let error = solver(SolverConfig::default())
        .solve_from(&batch, &model)
        .unwrap_err();
    assert_eq!(error, SolveError::DimensionMismatch { model: 5, batch: 4 });
}

#[test]
fn one_label_is_an_error_only_with_a_free_bias() {
    let Problem { rows, .. } = problem(10, 4, true);
    let batch = LabeledBatch::new(rows.view(), &[true; 10], None).unwrap();
    assert_eq!(
        solver(SolverConfig::default()).solve(&batch),
        Err(SolveError::OneLabel)
    );
    let penalized = SolverConfig::default().bias(BiasTerm::Penalized);
    assert!(solver(penalized).solve(&batch).unwrap().converged);
}

#[test]
fn an_empty_batch_is_solved_by_zero() {
    let rows = CsMatI::<f32, u32, usize>::zero((0, 3));
    let batch = LabeledBatch::new(rows.view(), &[], None).unwrap();
    let absent = SolverConfig::default().bias(BiasTerm::Absent);
    assert_eq!(solver(absent).solve(&batch).unwrap().weights, [0.0; 3]);
    assert_eq!(
        solver(SolverConfig::default()).solve(&batch),
        Err(SolveError::OneLabel)
    );
}

#[test]
fn gradient_sums_are_central_differences_of_the_loss_sum() {
    let problem = problem(60, 5, false);
    let weights = [0.3_f32, -0.2, 0.5, 0.0, 1.0];
    let at = |position: usize, by: f32| {
        let mut moved = weights.to_vec();
        if position < 5 {
            moved[position] += by;
        }
        let bias = 0.25 + if position == 5 { f64::from(by) } else { 0.0 };
        let model = LinearModel::new(moved, bias).unwrap();
        GradientSums::of_batch(&model, &problem.batch(), 1).unwrap()
    };
    let (sums, step) = (at(0, 0.0), 2.0_f32.powi(-10));
    for position in 0..6 {
        let exact = if position < 5 {
            sums.gradient[position]
        } else {
            sums.bias_gradient
        };
        let slope = (at(position, step).loss - at(position, -step).loss) / f64::from(2.0 * step);
        // The third derivative bounds the error by about importance · x³ · step².
        assert_relative_eq!(slope, exact, epsilon = 2e-3);
    }
}

#[test]
fn gradient_sums_do_not_depend_on_threads_and_reduce_in_a_fixed_tree() {
    let problem = problem(3000, 10, false);
    let model = LinearModel::new(vec![0.1; 10], -0.5).unwrap();
    let one = GradientSums::of_batch(&model, &problem.batch(), 1).unwrap();
    for threads in [0, 2, 8] {
        assert_eq!(
            GradientSums::of_batch(&model, &problem.batch(), threads).unwrap(),
            one
        );
    }
    let part = |range: std::ops::Range<usize>| {
        let rows = problem.rows.slice_outer(range.clone());
        // The slice keeps the offsets of the whole; a batch of its own starts at 0.
        let rows = rows.to_owned();
        let (labels, importances) = (&problem.labels[range.clone()], &problem.importances[range]);
        let batch = LabeledBatch::new(rows.view(), labels, Some(importances)).unwrap();
        GradientSums::of_batch(&model, &batch, 1).unwrap()
    };
    let parts: Vec<_> = [0..700, 700..701, 701..3000]
        .into_iter()
        .map(part)
        .collect();
    let mut by_hand = parts[0].clone();
    by_hand.merge(&parts[1]).unwrap();
    by_hand.merge(&parts[2]).unwrap();
    let reduced = GradientSums::reduce(parts).unwrap().unwrap();
    assert_eq!(reduced, by_hand);
    assert_relative_eq!(reduced.loss, one.loss, max_relative = 1e-12);
    assert_relative_eq!(reduced.importance, one.importance, max_relative = 1e-12);
    assert_eq!(GradientSums::reduce(vec![]).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_batch_panics_and_every_solution_is_certified(
        entries in prop::collection::vec((0_usize..12, 0_usize..6, -1e3_f32..1e3), 0..40),
        labels in prop::collection::vec(any::<bool>(), 12),
        importances in prop::collection::vec(0_f32..100.0, 12),
        l1 in prop::sample::select(vec![0.0, 0.5, 20.0]),
        l2 in prop::sample::select(vec![0.1, 10.0]),
    ) {
        let mut rows = TriMatI::<f32, u32>::new((12, 6));
        for (row, column, value) in entries {
            rows.add_triplet(row, column, value);
        }
        let rows: CsMatI<f32, u32, usize> = rows.to_csr();
        let batch = LabeledBatch::new(rows.view(), &labels, Some(&importances)).unwrap();
        let config = SolverConfig::default().l1(l1).l2(l2).tolerance(1e-6).bias(BiasTerm::Penalized);
        let solution = ExactSolver::new(config).unwrap().solve(&batch).unwrap();
        prop_assert!(solution.converged, "{solution:?}");
        prop_assert!(solution.weights.iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn no_extreme_value_panics(
        entries in prop::collection::vec(
            (0_usize..6, 0_usize..3, prop::sample::select(vec![f32::MAX, -f32::MAX, 1e-45, 1.0])),
            0..12,
        ),
        labels in prop::collection::vec(any::<bool>(), 6),
        importances in prop::collection::vec(
            prop::sample::select(vec![0.0, 1e-45, 1.0, f32::MAX]), 6,
        ),
        l1 in prop::sample::select(vec![0.0, 1e-300, 1.0, 1e300]),
        l2 in prop::sample::select(vec![0.0, 1e-300, 1.0, 1e300]),
        bias in prop::sample::select(vec![BiasTerm::Free, BiasTerm::Penalized, BiasTerm::Absent]),
    ) {
        let mut rows = TriMatI::<f32, u32>::new((6, 3));
        for (row, column, value) in entries {
            rows.add_triplet(row, column, value);
        }
        let rows: CsMatI<f32, u32, usize> = rows.to_csr();
        // Values of one entry add up, beyond f32 in places; such a batch is refused.
        let Ok(batch) = LabeledBatch::new(rows.view(), &labels, Some(&importances)) else {
            return Ok(());
        };
        let config = SolverConfig::default().l1(l1).l2(l2).bias(bias).max_iterations(20);
        let Ok(solver) = ExactSolver::new(config) else { return Ok(()) };
        if let Ok(solution) = solver.solve(&batch) {
            let converged = solution.duality_gap <= 1e-9 * solution.objective;
            prop_assert_eq!(solution.converged, converged);
        }
    }
}
