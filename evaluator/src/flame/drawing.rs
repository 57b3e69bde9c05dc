//! The picture of a tree of calls: boxes with names, without scripts; a browser shows the rest when pointed at.

use std::fmt::Write;

use super::Node;
use crate::html::escape;

/// Width of the picture and height of a box, in pixels.
const WIDTH: f64 = 1_400.0;
const ROW: f64 = 17.0;

/// Space above the boxes, for the title.
const TOP: f64 = 44.0;

/// Boxes narrower than this are left out: nobody can see them, and they are most.
const BOX_WIDTH_MIN: f64 = 0.3;

/// Mean width of a letter of the names.
const LETTER: f64 = 6.6;

/// Draws the tree.
pub(super) fn draw(tree: &Node, title: &str, unit: &str) -> String {
    let height = TOP + ROW * (tree.depth() as f64 + 1.0) + 8.0;
    let mut boxes = String::new();
    let mut row = Row { out: &mut boxes, total: tree.value as f64, unit };
    row.draw("all", tree, 0.0, height - 8.0 - ROW);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"11\">\n\
         <style>rect:hover {{ stroke: #18222d; }} text {{ pointer-events: none; fill: #18222d; }}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fbfaf7\"/>\n\
         <text x=\"8\" y=\"20\" font-size=\"15\">{}</text>\n\
         <text x=\"8\" y=\"36\">{}; point at a box for its name and share</text>\n{boxes}</svg>\n",
        escape(title),
        escape(&amount(tree.value, unit)),
    )
}

struct Row<'a> {
    out: &'a mut String,
    total: f64,
    unit: &'a str,
}

impl Row<'_> {
    fn draw(&mut self, name: &str, node: &Node, x: f64, y: f64) {
        let width = WIDTH * node.value as f64 / self.total;
        if width < BOX_WIDTH_MIN {
            return;
        }
        let share = 100.0 * node.value as f64 / self.total;
        let told = format!("{name} ({share:.2} %, {})", amount(node.value, self.unit));
        let letters = ((width - 4.0) / LETTER).max(0.0) as usize;
        let shown: String =
            if letters < 3 { String::new() } else { short(name).chars().take(letters).collect() };
        let _infallible = writeln!(
            self.out,
            "<g><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{:.2}\" height=\"{}\" rx=\"1\" fill=\"{}\"/><text x=\"{:.2}\" y=\"{}\">{}</text></g>",
            escape(&told),
            width - 0.4,
            ROW - 1.0,
            color(name),
            x + 3.0,
            y + 12.0,
            escape(&shown),
        );
        let mut at = x;
        for (name, called) in &node.called {
            self.draw(name, called, at, y - ROW);
            at += WIDTH * called.value as f64 / self.total;
        }
    }
}

/// A name without what its generic parameters are.
fn short(name: &str) -> String {
    let mut depth = 0_u32;
    let mut shown = String::new();
    for c in name.chars() {
        depth += u32::from(c == '<');
        if depth == 0 {
            shown.push(c);
        }
        depth = depth.saturating_sub(u32::from(c == '>'));
    }
    if shown.trim_matches(':').is_empty() { name.to_owned() } else { shown }
}

/// Ours are warm, the rest is pale: what can be changed here stands out.
fn color(name: &str) -> String {
    let ours = ["detector::", "store::", "intake::", "service::", "server::", "evaluator::"];
    let is_ours = ours.iter().any(|ours| name.trim_start_matches('<').starts_with(ours));
    let shade =
        name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 18;
    if is_ours {
        format!("hsl({}, 85%, {}%)", 22 + shade, 62 + shade / 2)
    } else {
        format!("hsl({}, 30%, {}%)", 190 + shade, 80 + shade / 2)
    }
}

fn amount(value: u64, unit: &str) -> String {
    match unit {
        "nanoseconds" => format!("{:.2} s", value as f64 / 1e9),
        "bytes" => format!("{:.2} MB", value as f64 / f64::from(1 << 20)),
        unit => format!("{value} {unit}"),
    }
}
