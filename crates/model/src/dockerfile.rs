//! Dockerfiles, as BuildKit reads them: <https://docs.docker.com/reference/dockerfile/>.
//!
//! Three steps, each a pure function over text. [`read`] makes statements of any text and never fails. [`parse`] makes a
//! tree of them, or says everything that is wrong. [`plan`] says what a build of one target does, with every variable
//! resolved; [`bases`] tells beforehand which images that needs, since what a build does depends on their configurations.
//! Beside them stand [`Ignore`], which reads `.dockerignore`, and [`sources`], which chooses what a `COPY` means.
//!
//! Nothing here touches a file, a registry or a clock. Texts are hostile: what is read is linear in their size, and what
//! could grow without end (substitutions in each other, values made of values) has a bound that is an error.

mod array;
mod directive;
mod expand;
mod flag;
mod health;
mod heredoc;
mod ignore;
mod instruction;
mod line;
mod mount;
mod parse;
mod pattern;
mod plan;
mod sources;
mod statement;

pub use array::Form;
pub use directive::Directives;
pub use expand::{ExpandError, Expanded, Variables, expand};
pub use flag::Flag;
pub use health::Health;
pub use heredoc::Heredoc;
pub use ignore::Ignore;
pub use instruction::{
    AddText, Argument, CommandText, CopyText, Device, Dockerfile, Files, FromText, Instruction, Network,
    Pair, RunText, Says, Security, StageText,
};
pub use line::{Escape, Line, Text};
pub use mount::{Key, Mount, Owner, RawMount, Sharing};
pub use parse::parse;
pub use pattern::PatternError;
pub use plan::{
    Add, Added, Base, Choices, Config, Copy, Document, From, Image, Images, Mode, Origin, Place, Plan, Run,
    Script, Stage, StageId, Step, Work, Workdir, bases, plan,
};
pub use sources::sources;
pub use statement::{Reading, Statement, read};
