//! A plot of a metric: a bar to the median of each contestant, a line from the lowest round to the highest.

use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::report::{Report, Series, median};

/// Pixels.
const WIDTH: u32 = 720;
const ROW: u32 = 34;
const NAMES: i32 = 250;
const COLOR: RGBColor = RGBColor(70, 120, 180);

/// Draws what is to be plotted of a report, each metric into a file of its own.
pub(super) fn draw(report: &Report, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for metric in report.plotted() {
        let rows: Vec<&Series> = report.series.iter().filter(|series| series.metric == metric).collect();
        let file = folder.join(file_name(&report.name, metric));
        draw_metric(metric, &rows, &file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// The name of the file with the plot of this metric.
pub(super) fn file_name(report: &str, metric: &str) -> String {
    let plain =
        metric.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    let words: String = plain.collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    format!("{report}-{}.svg", words.join("-"))
}

fn draw_metric(metric: &str, rows: &[&Series], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let count = u32::try_from(rows.len())?;
    let highest = rows.iter().map(|series| series.extremes()[1]).fold(f64::MIN_POSITIVE, f64::max);
    let area = SVGBackend::new(file, (WIDTH, count * ROW + 84)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(metric, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..highest * 1.05, (0..rows.len()).into_segmented())?;
    let name = |position: &SegmentValue<usize>| {
        match position {
            SegmentValue::CenterOf(row) | SegmentValue::Exact(row) => {
                // The first contestant stands on top.
                rows.len().checked_sub(row + 1).and_then(|row| rows.get(row)).map_or("", |series| &series.contestant)
            }
            SegmentValue::Last => "",
        }
        .to_owned()
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_label_formatter(&name)
        .y_labels(rows.len())
        .x_labels(6)
        .label_style(("sans-serif", 13))
        .draw()?;
    for (row, series) in rows.iter().rev().enumerate() {
        let (bottom, top) = (SegmentValue::Exact(row), SegmentValue::Exact(row + 1));
        let mut bar = Rectangle::new([(0.0, bottom), (median(&series.values), top)], COLOR.mix(0.6).filled());
        bar.set_margin(6, 6, 0, 0);
        let [low, high] = series.extremes();
        let middle = SegmentValue::CenterOf(row);
        let spread = PathElement::new(vec![(low, middle.clone()), (high, middle)], BLACK.stroke_width(2));
        chart.draw_series([bar])?;
        chart.draw_series([spread])?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Bound;

    #[test]
    fn what_is_to_be_reached_has_a_file_with_its_bars() {
        let folder = std::env::temp_dir().join(format!("cofferdam-plots-{}", std::process::id()));
        let mut report = Report::new("kafka", "");
        report.add("Cofferdam", "messages/s", 100.0);
        report.add("bare loop", "messages/s", 120.0);
        report.add("Cofferdam", "CPU us/message", 9.0);
        report.goal("messages/s", "Cofferdam", Some("bare loop"), Bound::AtLeast(0.8));
        draw(&report, &folder).unwrap();
        let drawn = fs::read_to_string(folder.join("kafka-messages-s.svg")).unwrap();
        assert!(drawn.contains("Cofferdam") && drawn.contains("bare loop"), "{drawn}");
        assert!(!folder.join("kafka-cpu-us-message.svg").exists(), "nothing is to be reached in it");
        fs::remove_dir_all(folder).unwrap();
    }
}
