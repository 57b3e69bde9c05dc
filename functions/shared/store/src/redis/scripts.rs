//! The Lua scripts, each with the shared code that it needs in front.

use redis::Script;

/// Every script of the store.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) append: Script,
    pub(super) commit: Script,
    pub(super) read: Script,
    pub(super) put_config: Script,
    pub(super) restore_config: Script,
    pub(super) mark_config_saved: Script,
    pub(super) mark_episodes_saved: Script,
    pub(super) save_alerts: Script,
    pub(super) lease_notifier: Script,
    pub(super) release_notifier: Script,
    pub(super) take_tokens: Script,
    pub(super) renew_lease: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            append: on_series(include_str!("append.lua")),
            commit: on_series(include_str!("commit.lua")),
            read: on_series(include_str!("read.lua")),
            put_config: Script::new(include_str!("put_config.lua")),
            restore_config: Script::new(include_str!("restore_config.lua")),
            mark_config_saved: Script::new(include_str!("mark_config_saved.lua")),
            mark_episodes_saved: Script::new(include_str!("mark_episodes_saved.lua")),
            save_alerts: Script::new(include_str!("save_alerts.lua")),
            lease_notifier: Script::new(include_str!("lease_notifier.lua")),
            release_notifier: Script::new(include_str!("release_notifier.lua")),
            take_tokens: Script::new(include_str!("take_tokens.lua")),
            renew_lease: Script::new(include_str!("renew_lease.lua")),
        }
    }
}

/// A script that handles several series of a shard in one call.
fn on_series(code: &str) -> Script {
    let shared = [include_str!("series.lua"), include_str!("episodes.lua")];
    Script::new(&format!("{}\n{code}", shared.join("\n")))
}
