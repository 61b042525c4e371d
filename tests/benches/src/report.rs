//! Figures of several rounds, and what they are to be.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What one benchmark has found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// As it is called on the command line.
    pub(crate) name: String,
    /// What was done, for the reader of the figures.
    pub(crate) work: String,
    pub(crate) series: Vec<Series>,
    pub(crate) goals: Vec<Goal>,
}

/// One figure of one contestant, round by round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) contestant: String,
    pub(crate) metric: String,
    pub(crate) values: Vec<f64>,
}

/// What the ratio of two contestants is to be, or one figure alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) metric: String,
    pub(crate) contestant: String,
    /// `None`: the figure itself.
    pub(crate) beside: Option<String>,
    pub(crate) bound: Bound,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Report {
    pub(crate) fn new(name: &str, work: impl Into<String>) -> Self {
        Self { name: name.to_owned(), work: work.into(), series: Vec::new(), goals: Vec::new() }
    }

    /// Takes down what a round has brought.
    pub(crate) fn add(&mut self, contestant: &str, metric: &str, value: f64) {
        let known = self.series.iter_mut().find(|it| it.contestant == contestant && it.metric == metric);
        match known {
            Some(series) => series.values.push(value),
            None => self.series.push(Series {
                contestant: contestant.to_owned(),
                metric: metric.to_owned(),
                values: vec![value],
            }),
        }
    }

    /// Says what `contestant` is to reach, beside another one where that is given.
    pub(crate) fn goal(&mut self, metric: &str, contestant: &str, beside: Option<&str>, bound: Bound) {
        self.goals.push(Goal {
            metric: metric.to_owned(),
            contestant: contestant.to_owned(),
            beside: beside.map(str::to_owned),
            bound,
        });
    }

    pub(crate) fn find(&self, contestant: &str, metric: &str) -> Option<&Series> {
        self.series.iter().find(|it| it.contestant == contestant && it.metric == metric)
    }

    /// Contestants, in the order in which they had their first turn.
    pub(crate) fn contestants(&self) -> Vec<&str> {
        in_order(self.series.iter().map(|series| &*series.contestant))
    }

    pub(crate) fn metrics(&self) -> Vec<&str> {
        in_order(self.series.iter().map(|series| &*series.metric))
    }

    /// The metrics that are shown as plots: those that something is to be reached in, else the first.
    pub(crate) fn plotted(&self) -> Vec<&str> {
        let metrics = self.metrics();
        let has_goal = |metric: &&str| self.goals.iter().any(|goal| goal.metric == *metric);
        let with_goals: Vec<&str> = metrics.iter().copied().filter(has_goal).collect();
        if with_goals.is_empty() { metrics.into_iter().take(1).collect() } else { with_goals }
    }

    /// What was reached of a goal: the median over the rounds; of a ratio, the median of the ratios of each round, for
    /// what disturbs the machine disturbs neighbours in time alike. `None` where it was not measured.
    pub(crate) fn reached(&self, goal: &Goal) -> Option<f64> {
        let own = self.find(&goal.contestant, &goal.metric)?;
        let Some(beside) = &goal.beside else { return Some(median(&own.values)) };
        let other = self.find(beside, &goal.metric)?;
        let ratios: Vec<f64> = own.values.iter().zip(&other.values).map(|(own, other)| own / other).collect();
        Some(median(&ratios))
    }

    /// As a table of Markdown: medians with the lowest and the highest of all rounds, and the goals.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n\n| {} |", self.work, self.name);
        let metrics = self.metrics();
        for metric in &metrics {
            let _ = write!(text, " {metric} |");
        }
        let _ = write!(text, "\n|---|{}", "---|".repeat(metrics.len()));
        for contestant in self.contestants() {
            let _ = write!(text, "\n| {contestant} |");
            for metric in &metrics {
                let cell = self.find(contestant, metric).map(Series::text).unwrap_or_default();
                let _ = write!(text, " {cell} |");
            }
        }
        if !self.goals.is_empty() {
            text.push_str("\n\n| goal | beside | reached | |\n|---|---|---|---|");
        }
        for goal in &self.goals {
            let reached = self.reached(goal);
            let met = reached.is_some_and(|reached| goal.bound.holds(reached));
            let reached = reached.map_or_else(|| "not measured".to_owned(), number);
            let (bound, beside) = (goal.bound.text(), goal.beside.as_deref().unwrap_or("-"));
            let _ = write!(
                text,
                "\n| {}, {}: {bound} | {beside} | {reached} | {} |",
                goal.contestant,
                goal.metric,
                if met { "met" } else { "**not met**" }
            );
        }
        text.push('\n');
        text
    }

    /// Keeps it for the page.
    pub(crate) fn keep(&self) -> anyhow::Result<()> {
        let folder = kept();
        fs::create_dir_all(&folder)?;
        let file = folder.join(&self.name).with_extension("json");
        serde_json::to_writer_pretty(File::create(&file)?, self)?;
        println!("kept in {}", file.display());
        Ok(())
    }
}

impl Series {
    /// The median, with the lowest and the highest.
    pub(crate) fn text(&self) -> String {
        let [lowest, highest] = self.extremes();
        format!("{} ({} to {})", number(median(&self.values)), number(lowest), number(highest))
    }

    pub(crate) fn extremes(&self) -> [f64; 2] {
        let sorted = sorted(&self.values);
        [sorted.first().copied().unwrap_or_default(), sorted.last().copied().unwrap_or_default()]
    }
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", number(most)),
            Self::AtLeast(least) => format!("at least {}", number(least)),
        }
    }
}

/// Where figures are kept between a run and the page.
pub(crate) fn kept() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    target.unwrap_or_else(|| PathBuf::from(workspace).join("target")).join("benches")
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Three digits that count, with thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let mut report = Report::new("x", "");
        // The machine was half as fast in the second round: for both.
        for (own, other) in [(100.0, 200.0), (50.0, 100.0), (120.0, 200.0)] {
            report.add("own", "rate", own);
            report.add("other", "rate", other);
        }
        report.goal("rate", "own", Some("other"), Bound::AtLeast(0.5));
        assert_eq!(report.reached(&report.goals[0]), Some(0.5));
        assert!(report.text().contains("| own, rate: at least 0.50 | other | 0.50 | met |"), "{}", report.text());
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let mut report = Report::new("x", "");
        report.goal("rate", "own", None, Bound::AtMost(1.0));
        assert!(report.text().contains("| not measured | **not met** |"), "{}", report.text());
    }

    #[test]
    fn numbers_are_read_by_people() {
        assert_eq!([1.234, 99.0, 1_234.5, 1_234_567.0].map(number), ["1.23", "99.00", "1,234", "1,234,567"]);
    }
}
