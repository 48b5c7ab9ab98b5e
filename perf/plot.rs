//! Drawing: panels with two axes and some series, side by side, as an SVG file.
//!
//! Written by hand, because all that is needed is here: lines, marks, ticks, and texts. Marks
//! differ in shape as well as in colour (those of Okabe and Ito, which colour-blind people can
//! tell apart), and the background is white, for pages are dark at times.

use std::fmt::Write;

/// A diagram.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Along the bottom.
    pub x: Axis,
    /// Along the left side.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Pixels between the axes' ends: to the right, and up.
    pub size: (f64, f64),
}

/// Where numbers are.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The quantity and its unit.
    pub label: String,
    /// The scale.
    pub scale: Scale,
    /// The numbers at the ends.
    pub range: (f64, f64),
    /// Numbers that are told, and how.
    pub ticks: Vec<(f64, String)>,
}

/// What equal distances mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences.
    Linear,
    /// Equal ratios.
    Logarithmic,
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// Whether they are joined.
    pub line: Line,
}

/// Whether the points of a series are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// They stand alone.
    None,
    /// By straight lines.
    Straight,
}

const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
];
const GRID: &str = "#dddddd";
const TEXT: &str = "#222222";
/// The height of a line of text, and of a row of the legend.
const ROW: f64 = 18.0;
/// The width of a character of the ticks' texts, on average and a little more.
const CHARACTER: f64 = 6.6;
/// Around the panels: half a tick's text may stand out.
const GAP: f64 = 32.0;
const MARK: f64 = 4.0;
/// With more points than these, a line is drawn without marks.
const MARKED_POINTS_MAX: usize = 40;

impl Axis {
    /// Equal differences from zero to beyond the largest number.
    #[must_use]
    pub fn linear(label: &str, numbers: impl Iterator<Item = f64>) -> Self {
        let max = numbers.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let step = step_of(max / 5.0);
        let count = (max / step).ceil() as usize;
        let ticks = (0..=count).map(|index| index as f64 * step);
        Self {
            label: label.to_owned(),
            scale: Scale::Linear,
            range: (0.0, count as f64 * step),
            ticks: ticks.map(|tick| (tick, told(tick))).collect(),
        }
    }

    /// Equal ratios, from below the smallest number to beyond the largest one.
    #[must_use]
    pub fn logarithmic(label: &str, numbers: impl Iterator<Item = f64>) -> Self {
        let (mut min, mut max) = (f64::INFINITY, 0.0_f64);
        for number in numbers.filter(|number| *number > 0.0) {
            (min, max) = (min.min(number), max.max(number));
        }
        if max <= 0.0 {
            (min, max) = (1.0, 10.0);
        }
        let digits: &[f64] = match (max / min).log10() {
            0.0..2.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let (low, high) = (min.log10().floor() as i32, max.log10().ceil() as i32);
        let decades = (low..=high).flat_map(|power| {
            let decade = 10_f64.powi(power);
            digits.iter().map(move |digit| digit * decade)
        });
        let ticks: Vec<f64> = decades.collect();
        // The nearest ticks around all numbers.
        let begin = ticks.iter().rposition(|tick| *tick <= min).unwrap_or(0);
        let end = ticks.iter().position(|tick| *tick >= max);
        let ticks = &ticks[begin..=end.unwrap_or(ticks.len() - 1).max(begin)];
        Self {
            label: label.to_owned(),
            scale: Scale::Logarithmic,
            range: (ticks[0], ticks[ticks.len() - 1].max(ticks[0] * 1.01)),
            ticks: ticks.iter().map(|tick| (*tick, told(*tick))).collect(),
        }
    }

    /// A place for each name, from the top down if it is the y axis.
    #[must_use]
    pub fn names(names: impl Iterator<Item = String>) -> Self {
        let ticks: Vec<(f64, String)> = names
            .enumerate()
            .map(|(index, name)| (-(index as f64), name))
            .collect();
        Self {
            label: String::new(),
            scale: Scale::Linear,
            range: (0.5 - ticks.len() as f64, 0.5),
            ticks,
        }
    }

    /// Where a number is, from 0 to 1.
    fn position(&self, number: f64) -> f64 {
        let (begin, end) = self.range;
        match self.scale {
            Scale::Linear => (number - begin) / (end - begin),
            Scale::Logarithmic => (number / begin).ln() / (end / begin).ln(),
        }
    }
}

/// The panels as a file.
#[must_use]
pub fn svg(panels: &[Panel]) -> String {
    let mut inside = String::new();
    let (mut left, mut height) = (GAP, 0.0_f64);
    // The axes of all begin at the same height.
    let rows = panels.iter().map(|panel| panel.series.len()).max();
    let top = GAP + ROW * (1.0 + rows.unwrap_or(0) as f64);
    for panel in panels {
        let drawing = Drawing::new(panel, left, top);
        drawing.write(&mut inside);
        left = drawing.right() + GAP;
        height = height.max(drawing.bottom());
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{left:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {left:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"{TEXT}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{inside}</svg>\n"
    )
}

/// A panel at its place: the upper left corner of the part between the axes.
struct Drawing<'a> {
    panel: &'a Panel,
    left: f64,
    top: f64,
}

impl<'a> Drawing<'a> {
    fn new(panel: &'a Panel, left: f64, top: f64) -> Self {
        let labels = panel.y.ticks.iter().map(|(_, text)| text.chars().count());
        let widest = labels.max().unwrap_or(0) as f64 * CHARACTER;
        let label = if panel.y.label.is_empty() { 0.0 } else { ROW };
        Self {
            panel,
            left: left + label + widest + 8.0,
            top,
        }
    }

    fn right(&self) -> f64 {
        self.left + self.panel.size.0
    }

    fn bottom(&self) -> f64 {
        self.top + self.panel.size.1 + 3.0 * ROW
    }

    fn x(&self, number: f64) -> f64 {
        self.left + self.panel.x.position(number) * self.panel.size.0
    }

    fn y(&self, number: f64) -> f64 {
        self.top + (1.0 - self.panel.y.position(number)) * self.panel.size.1
    }

    fn write(&self, out: &mut String) {
        text(
            out,
            (self.left, GAP),
            "font-weight=\"bold\"",
            &self.panel.title,
        );
        self.write_axes(out);
        for (index, series) in self.panel.series.iter().enumerate() {
            self.write_series(out, index, series);
        }
    }

    fn write_axes(&self, out: &mut String) {
        let Panel { x, y, size, .. } = self.panel;
        let (left, right) = (self.left, self.right());
        let (top, bottom) = (self.top, self.top + size.1);
        for (number, label) in &x.ticks {
            let at = self.x(*number);
            line(out, (at, top), (at, bottom), GRID);
            text(out, (at, bottom + ROW), "text-anchor=\"middle\"", label);
        }
        for (number, label) in &y.ticks {
            let at = self.y(*number);
            line(out, (left, at), (right, at), GRID);
            text(out, (left - 6.0, at + 4.0), "text-anchor=\"end\"", label);
        }
        line(out, (left, top), (left, bottom), TEXT);
        line(out, (left, bottom), (right, bottom), TEXT);
        let middle = (left + right) / 2.0;
        text(
            out,
            (middle, bottom + 2.2 * ROW),
            "text-anchor=\"middle\"",
            &x.label,
        );
        if !y.label.is_empty() {
            let widest = y.ticks.iter().map(|(_, text)| text.chars().count()).max();
            let across = left - widest.unwrap_or(0) as f64 * CHARACTER - 12.0;
            let up = (top + bottom) / 2.0;
            let turned =
                format!("text-anchor=\"middle\" transform=\"rotate(-90 {across:.1} {up:.1})\"");
            text(out, (across, up), &turned, &y.label);
        }
    }

    /// The points, and a row of the legend.
    fn write_series(&self, out: &mut String, index: usize, series: &Series) {
        let colour = COLOURS[index % COLOURS.len()];
        let places = series.points.iter().map(|(x, y)| (self.x(*x), self.y(*y)));
        let places: Vec<(f64, f64)> = places.collect();
        if series.line == Line::Straight {
            let path: Vec<String> = places
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                path.join(" ")
            );
        }
        if series.line == Line::None || places.len() <= MARKED_POINTS_MAX {
            for place in places {
                mark(out, index, place, colour);
            }
        }
        let row = GAP + ROW * (index as f64 + 1.0);
        mark(out, index, (self.left + MARK, row - 4.0), colour);
        text(out, (self.left + 4.0 * MARK, row), "", &series.name);
    }
}

/// A circle, a square, a triangle, or the same empty.
fn mark(out: &mut String, index: usize, (x, y): (f64, f64), colour: &str) {
    let fill = if index % 6 < 3 { colour } else { "white" };
    let paint = format!("fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"");
    let _ = match index % 3 {
        0 => writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{MARK}\" {paint}/>"
        ),
        1 => {
            let (x, y, side) = (x - MARK, y - MARK, 2.0 * MARK);
            writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side}\" height=\"{side}\" {paint}/>"
            )
        }
        _ => {
            let (left, right, up, down) = (x - MARK, x + MARK, y - MARK, y + MARK);
            writeln!(
                out,
                "<polygon points=\"{left:.1},{down:.1} {right:.1},{down:.1} {x:.1},{up:.1}\" \
                 {paint}/>"
            )
        }
    };
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), attributes: &str, content: &str) {
    let content = content
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{content}</text>"
    );
}

/// The next of 1, 2, 5, 10, 20 … that is not smaller.
fn step_of(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade);
    let found = steps.into_iter().find(|step| *step >= least * 0.999);
    found.unwrap_or(10.0 * decade)
}

/// A number on an axis: with commas, and as few digits as it has.
fn told(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_surround_the_numbers() {
        let linear = Axis::linear("", [3.0, 43_000.0].into_iter());
        assert_eq!(
            ticks(&linear),
            ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]
        );
        let wide = Axis::logarithmic("", [0.3, 4_000.0].into_iter());
        assert_eq!(ticks(&wide), ["0.1", "1", "10", "100", "1,000", "10,000"]);
        let narrow = Axis::logarithmic("", [300.0, 1_500.0].into_iter());
        assert_eq!(ticks(&narrow), ["200", "500", "1,000", "2,000"]);
        assert!(Axis::logarithmic("", std::iter::empty()).range.1 > 1.0);
    }

    #[test]
    fn positions_follow_the_scale() {
        let axis = Axis::logarithmic("", [1.0, 100.0].into_iter());
        assert!((axis.position(10.0) - 0.5).abs() < 1e-9);
        let names = Axis::names(["a", "b"].map(str::to_owned).into_iter());
        assert!((names.position(0.0) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_text_cannot_become_markup() {
        let panel = Panel {
            title: "p99 < 5 & more".to_owned(),
            x: Axis::linear("", [1.0].into_iter()),
            y: Axis::linear("", [1.0].into_iter()),
            series: vec![Series {
                name: "a".to_owned(),
                points: vec![(0.5, 0.5)],
                line: Line::Straight,
            }],
            size: (100.0, 100.0),
        };
        let file = svg(&[panel]);
        assert!(file.contains("p99 &lt; 5 &amp; more"));
        assert_eq!(file.matches("<circle").count(), 2); // one of them in the legend
    }
}
