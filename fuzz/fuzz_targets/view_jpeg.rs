#![no_main]

libfuzzer_sys::fuzz_target!(
    init: obscura_fuzz::contain_panics(),
    |bytes: &[u8]| obscura_fuzz::views_keep_their_contract(bytes)
);
