//! SARIF has what the standard requires.
