//! The messages of the Bazel Remote Execution API v2 that selfsame hashes or keeps, field for field.
//!
//! Source: `build/bazel/remote/execution/v2/remote_execution.proto`. Only the fields that selfsame writes are
//! here, which is enough: an unset field takes no bytes, so the encodings are the same as with the whole
//! message. A test holds them against the generated messages of the `bazel-remote-apis` crate.
//!
//! Canonical form (the comments of `Directory`, `Command` and `Action` in the proto): fields in order of tag,
//! no unknown fields, children sorted by name, environment variables and output paths sorted. [`crate::tree`]
//! and [`crate::action`] are the only makers of these messages and keep that order.

#![allow(missing_docs, reason = "the fields are those of the proto, documented there")]

/// `build.bazel.remote.execution.v2.Digest`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Digest {
    #[prost(string, tag = "1")]
    pub hash: String,
    #[prost(int64, tag = "2")]
    pub size_bytes: i64,
}

/// `build.bazel.remote.execution.v2.FileNode`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileNode {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
    #[prost(bool, tag = "4")]
    pub is_executable: bool,
}

/// `build.bazel.remote.execution.v2.DirectoryNode`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DirectoryNode {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
}

/// `build.bazel.remote.execution.v2.SymlinkNode`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SymlinkNode {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub target: String,
}

/// `build.bazel.remote.execution.v2.Directory`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Directory {
    #[prost(message, repeated, tag = "1")]
    pub files: Vec<FileNode>,
    #[prost(message, repeated, tag = "2")]
    pub directories: Vec<DirectoryNode>,
    #[prost(message, repeated, tag = "3")]
    pub symlinks: Vec<SymlinkNode>,
}

/// `build.bazel.remote.execution.v2.Command.EnvironmentVariable`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EnvironmentVariable {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `build.bazel.remote.execution.v2.Platform.Property`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Property {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `build.bazel.remote.execution.v2.Platform`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Platform {
    #[prost(message, repeated, tag = "1")]
    pub properties: Vec<Property>,
}

/// `build.bazel.remote.execution.v2.Command`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Command {
    #[prost(string, repeated, tag = "1")]
    pub arguments: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub environment_variables: Vec<EnvironmentVariable>,
    #[prost(string, tag = "6")]
    pub working_directory: String,
    #[prost(string, repeated, tag = "7")]
    pub output_paths: Vec<String>,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Duration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `build.bazel.remote.execution.v2.Action`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Action {
    #[prost(message, optional, tag = "1")]
    pub command_digest: Option<Digest>,
    #[prost(message, optional, tag = "2")]
    pub input_root_digest: Option<Digest>,
    #[prost(message, optional, tag = "6")]
    pub timeout: Option<Duration>,
    #[prost(bytes = "vec", tag = "9")]
    pub salt: Vec<u8>,
    #[prost(message, optional, tag = "10")]
    pub platform: Option<Platform>,
}

/// `build.bazel.remote.execution.v2.OutputFile`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OutputFile {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
    #[prost(bool, tag = "4")]
    pub is_executable: bool,
}

/// `build.bazel.remote.execution.v2.OutputDirectory`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OutputDirectory {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(message, optional, tag = "5")]
    pub root_directory_digest: Option<Digest>,
}

/// `build.bazel.remote.execution.v2.OutputSymlink`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OutputSymlink {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(string, tag = "2")]
    pub target: String,
}

/// `build.bazel.remote.execution.v2.ActionResult`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ActionResult {
    #[prost(message, repeated, tag = "2")]
    pub output_files: Vec<OutputFile>,
    #[prost(message, repeated, tag = "3")]
    pub output_directories: Vec<OutputDirectory>,
    #[prost(int32, tag = "4")]
    pub exit_code: i32,
    #[prost(message, optional, tag = "6")]
    pub stdout_digest: Option<Digest>,
    #[prost(message, repeated, tag = "12")]
    pub output_symlinks: Vec<OutputSymlink>,
}

/// Why a digest in a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The bytes are not the message.
    #[error("not a {message} message: {reason}")]
    Decode {
        /// Which message was expected.
        message: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// A digest is missing, or is no SHA-256 with a size.
    #[error("{message}: {reason}")]
    Digest {
        /// Where the digest belongs.
        message: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<crate::Digest> for Digest {
    fn from(digest: crate::Digest) -> Self {
        Self { hash: digest.hex(), size_bytes: i64::try_from(digest.size).expect("no blob holds 2^63 bytes") }
    }
}

/// Reads a digest field that must be there.
///
/// # Errors
/// If it is missing, not a SHA-256, or has a negative size.
pub fn digest(message: &'static str, field: Option<&Digest>) -> Result<crate::Digest, MessageError> {
    let wrong = |reason: String| MessageError::Digest { message, reason };
    let field = field.ok_or_else(|| wrong("no digest".into()))?;
    Ok(crate::Digest {
        sha256: field.hash.parse().map_err(|e: crate::digest::DigestError| wrong(e.to_string()))?,
        size: u64::try_from(field.size_bytes).map_err(|_| wrong(format!("size {}", field.size_bytes)))?,
    })
}

/// Decodes a message.
///
/// # Errors
/// If the bytes are not that message.
pub fn decode<M: prost::Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, MessageError> {
    M::decode(bytes).map_err(|e| MessageError::Decode { message, reason: e.to_string() })
}

/// Encodes a message.
#[must_use]
pub fn encode<M: prost::Message>(message: &M) -> Vec<u8> {
    message.encode_to_vec()
}
