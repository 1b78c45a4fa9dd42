//! Before anything else: ONNX Runtime must not call home.
//!
//! Its Linux builds come with a telemetry client, which makes an identifier of the machine, looks up its maker's servers and
//! reports the start of every process, whatever the interface for telemetry is told afterwards. It stays away entirely
//! only if an environment variable is set before the library is loaded. A process cannot change its own environment
//! safely, so the program starts itself anew in its place: same process id, same arguments.

use std::{
    env,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use obscura::{
    detect::{TELEMETRY_SWITCH, is_telemetry_off},
    error::FatalError,
};

/// Returns only in a process that has the variable.
///
/// # Errors
/// If the program cannot be started anew.
pub(super) fn start_silent() -> Result<(), FatalError> {
    if is_telemetry_off() {
        return Ok(());
    }
    let (name, value) = TELEMETRY_SWITCH;
    let anew = |program: &Path| {
        let mut arguments = env::args_os();
        let mut command = Command::new(program);
        if let Some(called) = arguments.next() {
            command.arg0(called);
        }
        // Returns only if it fails.
        command.args(arguments).env(name, value).exec()
    };
    // By its path the process keeps its name; the other way works also if the file was replaced.
    let own = env::current_exe().unwrap_or_else(|_| PathBuf::from("obscura"));
    anew(&own);
    let error = anew(Path::new("/proc/self/exe"));
    Err(FatalError::new(
        format!("cannot switch off the telemetry of ONNX Runtime: {error}"),
        format!("set the environment variable `{name}` to `{value}`"),
    ))
}
