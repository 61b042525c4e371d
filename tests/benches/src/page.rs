//! The page of the figures: tables between markers in `README.md`, plots beside it.

mod plot;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::report::{Report, kept};

/// The folder of the plots, beside the page.
const PLOTS: &str = "plots";

/// Writes what was kept into the page; what was not measured this time stays as it is.
pub(crate) fn write() -> anyhow::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = folder.join("README.md");
    let mut text = fs::read_to_string(&page)?;
    for report in reports()? {
        text = with(&text, &report).with_context(|| format!("{}: {}", page.display(), report.name))?;
        plot::draw(&report, &folder.join(PLOTS))?;
        println!("{}", report.name);
    }
    fs::write(page, text)?;
    Ok(())
}

fn reports() -> anyhow::Result<Vec<Report>> {
    let folder = kept();
    let entries = fs::read_dir(&folder).with_context(|| format!("nothing was measured: {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension() == Some("json".as_ref()));
    files.sort();
    files.iter().map(|file| read(file).with_context(|| file.display().to_string())).collect()
}

fn read(file: &Path) -> anyhow::Result<Report> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// The page with this report between its markers.
fn with(page: &str, report: &Report) -> anyhow::Result<String> {
    let begins = format!("<!-- {} -->\n", report.name);
    let (before, rest) = page.split_once(&begins).context("it has no marker for this benchmark")?;
    let (_, after) = rest.split_once("<!-- end -->").context("its marker has no end")?;
    let plot = |metric: &&str| format!("![{metric}]({PLOTS}/{})\n", plot::file_name(&report.name, metric));
    let plots: String = report.plotted().iter().map(plot).collect();
    Ok(format!("{before}{begins}\n{}\n{plots}\n<!-- end -->{after}", report.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_takes_the_place_of_the_one_before() {
        let mut report = Report::new("calls", "How.");
        report.add("warm", "ns", 1.0);
        let page = "# Page\n<!-- calls -->\nold\n<!-- end -->\nrest\n<!-- other -->\n<!-- end -->\n";
        let page = with(page, &report).unwrap();
        assert!(page.starts_with("# Page\n<!-- calls -->\n\nHow.\n"), "{page}");
        assert!(page.contains("\n![ns](plots/calls-ns.svg)\n"), "{page}");
        assert!(
            page.ends_with("<!-- end -->\nrest\n<!-- other -->\n<!-- end -->\n") && !page.contains("old"),
            "{page}"
        );
        assert_eq!(with(&page, &report).unwrap(), page);
    }

    #[test]
    fn a_benchmark_without_a_place_is_not_left_out_in_silence() {
        assert!(with("# Page\n", &Report::new("calls", "")).is_err());
    }
}
