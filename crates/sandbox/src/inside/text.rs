//! A short C string made without allocation.

use std::ffi::CStr;
use std::os::fd::RawFd;

/// At most 255 bytes; what does not fit is left out (mount options that the kernel then refuses).
pub(super) struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Text {
    pub(super) fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    pub(super) fn push(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            if self.length < 255 {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
        }
        self
    }

    /// The path under which this process finds its descriptor `fd`.
    pub(super) fn push_fd(self, fd: RawFd) -> Self {
        let mut text = self.push("/proc/self/fd/");
        let mut divisor = 1_000_000_000;
        let mut begun = false;
        while divisor > 0 {
            let digit = fd / divisor % 10;
            if begun || digit != 0 || divisor == 1 {
                begun = true;
                let digits = "0123456789";
                let at = usize::try_from(digit).unwrap_or(0);
                text = text.push(digits.get(at..=at).unwrap_or("0"));
            }
            divisor /= 10;
        }
        text
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn descriptors_are_written_in_decimal() {
        for fd in [0, 7, 10, 1009, i32::MAX] {
            let text = Text::new().push("a=").push_fd(fd);
            assert_eq!(text.as_c_str().to_str(), Ok(format!("a=/proc/self/fd/{fd}").as_str()));
        }
    }
}
