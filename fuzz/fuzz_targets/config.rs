#![no_main]

use obscura::config::{Config, RawConfig};

// Whatever is accepted is written out as a file that means the same.
libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(raw) = toml::from_str::<RawConfig>(text) else { return };
    let Ok(config) = Config::resolve(raw) else { return };
    let written = config.to_toml();
    let raw = toml::from_str(&written).expect("what is written is TOML");
    let again = Config::resolve(raw).expect("what is written is accepted");
    assert_eq!(config, again, "{written}");
});
