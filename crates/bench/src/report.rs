//! What was measured, as a table on the terminal and as `docs/bench.md`.

use std::fmt::Write;

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    goal: String,
    measured: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    Missed,
    /// There is no goal.
    Told,
    NotMeasured,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "**missed**",
            Verdict::Told => "",
            Verdict::NotMeasured => "not measured",
        }
    }
}

/// A goal: a bound on one number.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// The number may not be larger.
    AtMost(f64),
    /// The number may not be smaller.
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, number: f64) -> bool {
        match self {
            Goal::AtMost(bound) => number <= bound,
            Goal::AtLeast(bound) => number >= bound,
        }
    }

    fn describe(self, unit: &str) -> String {
        match self {
            Goal::AtMost(bound) => format!("≤ {}", with_unit(bound, unit)),
            Goal::AtLeast(bound) => format!("≥ {}", with_unit(bound, unit)),
        }
    }
}

/// All that was measured in one run.
#[derive(Debug)]
pub struct Report {
    facts: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

impl Report {
    /// Nothing yet; of a machine with these facts.
    pub fn new(facts: Vec<(&'static str, String)>) -> Report {
        Report { facts, rows: Vec::new() }
    }

    /// A number that has a goal. `how` tells what else is to be known of it.
    pub fn judge(&mut self, what: &str, goal: Goal, number: f64, unit: &str, how: &str) {
        let verdict = if goal.is_met(number) { Verdict::Met } else { Verdict::Missed };
        self.add(what, &goal.describe(unit), &described(number, unit, how), verdict);
    }

    /// A number without a goal.
    pub fn tell(&mut self, what: &str, number: f64, unit: &str, how: &str) {
        self.add(what, "", &described(number, unit, how), Verdict::Told);
    }

    /// Something that could not be measured here, and why.
    pub fn skip(&mut self, what: &str, why: &str) {
        // What a program has said may have lines and bars, and this is one cell.
        self.add(what, "", &why.replace(['\n', '|'], " "), Verdict::NotMeasured);
    }

    fn add(&mut self, what: &str, goal: &str, measured: &str, verdict: Verdict) {
        let row =
            Row { what: what.to_owned(), goal: goal.to_owned(), measured: measured.to_owned(), verdict };
        println!("{:<58} {:>14}  {:<12} {}", row.what, row.goal, verdict.word(), row.measured);
        self.rows.push(row);
    }

    /// How many goals were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::Missed).count()
    }

    /// The page for `docs/`.
    pub fn page(&self) -> String {
        let mut page = String::from(
            "# What Cuttle costs\n\nWritten by `./x bench`. Times are medians unless it says otherwise; a comparison is made of \
             alternating\nmeasurements in one run, and its ratio is the median of the pairs' ratios. Where APIs are measured, the load\n\
             generator has one processor and the control plane, with its simulated node, another. Glance and Cinder are those\n\
             of this system's packages, started as their init scripts start them, over SQLite and with tokens that name their\n\
             callers; all their processes count, and beside them nobody has a processor of its own. Of what a client that keeps its\n\
             connection waits for Glance, 40 ms are that connection's delayed acknowledgement, for it sends the head and the body of an\n\
             answer apart. Keystone is the newest.\n\n",
        );
        for (name, value) in &self.facts {
            let _ = writeln!(page, "- {name}: {value}");
        }
        page.push_str("\n| measured | goal | result | |\n| --- | --- | --- | --- |\n");
        for row in &self.rows {
            let verdict = row.verdict.word();
            let _ = writeln!(page, "| {} | {} | {} | {verdict} |", row.what, row.goal, row.measured);
        }
        page.push_str(
            "\nFor comparison, a real OpenStack on Debian 12 with a fake compute driver and two processors: a server is ACTIVE after\n\
             2.95 s and 4.7 s of processor time; 0.4 servers/s; 200 servers listed in 0.92 s; one shown at 16/s; 32 to 50 token\n\
             validations/s; 2.8 GiB of memory idle in 41 processes; 129 s from empty databases to all APIs answering.\n",
        );
        page
    }
}

fn described(number: f64, unit: &str, how: &str) -> String {
    let number = with_unit(number, unit);
    if how.is_empty() { number } else { format!("{number} ({how})") }
}

fn with_unit(number: f64, unit: &str) -> String {
    let digits = if number.abs() >= 100.0 || number.fract() == 0.0 {
        0
    } else if number.abs() < 0.1 {
        3
    } else if unit.is_empty() || number.abs() < 10.0 {
        2
    } else {
        1
    };
    let number = format!("{number:.digits$}");
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Report};

    #[test]
    fn a_goal_is_met_up_to_its_bound() {
        let mut report = Report::new(vec![("kernel", "6.1".to_owned())]);
        report.judge("fast enough", Goal::AtMost(20.0), 20.0, "ms", "");
        report.judge("often enough", Goal::AtLeast(0.9), 0.91, "", "of 7 pairs");
        assert_eq!(report.missed(), 0);
        report.judge("hardly more", Goal::AtMost(0.01), 0.0134, "", "");
        assert_eq!(report.missed(), 1);
        report.judge("too slow", Goal::AtMost(20.0), 20.1, "ms", "");
        report.skip("KVM", "there is\nnone");
        assert_eq!(report.missed(), 2);
        let page = report.page();
        assert!(page.contains("| often enough | ≥ 0.90 | 0.91 (of 7 pairs) | met |"), "{page}");
        assert!(page.contains("| hardly more | ≤ 0.010 | 0.013 | **missed** |"), "{page}");
        assert!(page.contains("| too slow | ≤ 20 ms | 20.1 ms | **missed** |"), "{page}");
        assert!(page.contains("\n- kernel: 6.1\n"), "{page}");
        assert!(page.contains("| KVM |  | there is none | not measured |"), "{page}");
    }
}
