//! Draws a profile as a flame graph: one SVG that a browser shows without a network.
//!
//! It reads what `/debug/pprof/profile` and `/debug/pprof/heap` answer, and any other profile of `go tool pprof` whose
//! functions have names. The width of a box is its share; what it was called by is below it.

mod drawing;
mod profile;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;

use self::profile::Profile;
use crate::command::write_to;

/// Largest profile that is unpacked, in bytes: one of an hour is a hundredth of it.
const UNPACKED_LEN_MAX: u64 = 512 << 20;

/// Draw a profile of `/debug/pprof` as a flame graph.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The profile, packed or not; `-` is stdin.
    profile: PathBuf,
    /// Where the SVG goes; `-` is stdout.
    #[arg(long, value_name = "FILE", default_value = "-")]
    svg: PathBuf,
    /// What the picture is called.
    #[arg(long, value_name = "TEXT", default_value = "Flame graph")]
    title: String,
}

/// Reads, draws, writes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name = args.profile.display();
    let bytes = read(args).with_context(|| format!("read `{name}`"))?;
    let profile = Profile::decode(&bytes).with_context(|| format!("`{name}` is no profile"))?;
    let tree = Node::of(&profile);
    ensure!(
        tree.value > 0,
        "`{name}` holds no samples: a longer profile, or one under load, is wanted"
    );
    write_to(&args.svg, &drawing::draw(&tree, &args.title, &profile.unit))?;
    Ok(ExitCode::SUCCESS)
}

fn read(args: &Args) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if args.profile.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(&args.profile)?;
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        let packed = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        packed.take(UNPACKED_LEN_MAX).read_to_end(&mut unpacked)?;
        return Ok(unpacked);
    }
    Ok(bytes)
}

/// A function called by those above it in the tree, with everything that it called.
#[derive(Debug, Default, PartialEq)]
struct Node {
    value: u64,
    called: BTreeMap<String, Self>,
}

impl Node {
    fn of(profile: &Profile) -> Self {
        let mut root = Self::default();
        for (stack, value) in &profile.stacks {
            root.value += value;
            let mut node = &mut root;
            for name in stack {
                node = node.called.entry(name.clone()).or_default();
                node.value += value;
            }
        }
        root
    }

    /// How many functions lie on each other at most.
    fn depth(&self) -> usize {
        self.called.values().map(|node| 1 + node.depth()).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_that_begin_alike_share_their_boxes() {
        let stack = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let profile = Profile {
            unit: "nanoseconds".to_owned(),
            stacks: vec![
                (stack(&["main", "judge", "moments"]), 30),
                (stack(&["main", "judge"]), 10),
                (stack(&["main", "parse<&str>"]), 60),
            ],
        };
        let tree = Node::of(&profile);
        let main = &tree.called["main"];
        assert_eq!((tree.value, main.value, main.called["judge"].value), (100, 100, 40));
        assert_eq!(tree.depth(), 3);
        let svg = drawing::draw(&tree, "a & b", &profile.unit);
        assert!(
            svg.contains("parse&lt;&amp;str&gt; (60.00 %") && svg.contains("a &amp; b"),
            "{svg}"
        );
        assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
    }
}
