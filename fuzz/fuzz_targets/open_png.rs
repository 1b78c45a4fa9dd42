#![no_main]

use obscura::photo::Format;

libfuzzer_sys::fuzz_target!(
    init: obscura_fuzz::contain_panics(),
    |bytes: &[u8]| obscura_fuzz::photo_keeps_its_contract(bytes, Format::Png)
);
