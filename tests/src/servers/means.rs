//! How a broker is run: Java with jars from Maven Central, or Docker.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Server, Site, tail};
use crate::{Need, program};

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// The way to start the broker on this machine.
pub(super) enum Means {
    /// Java, with the jars of the broker.
    Java(Java),
    /// Docker, with the image pulled.
    Docker,
}

/// Java, with the jars in this folder.
#[derive(Clone)]
pub(crate) struct Java(PathBuf);

impl Means {
    /// Chooses Java if its jars are cached or can be downloaded, else Docker.
    pub(super) fn find(server: &Server, home: &Path) -> Result<Means, Need> {
        let without_java = match java(server, home) {
            Ok(java) => return Ok(Means::Java(java)),
            Err(why) => why,
        };
        let without_docker = match docker(server) {
            Ok(()) => return Ok(Means::Docker),
            Err(why) => why,
        };
        Err(Need::Missing(format!("no {} here: {without_java}; {without_docker}", server.title)))
    }

    /// Returns the command that runs the broker in the foreground until it gets SIGTERM.
    pub(super) fn command(&self, server: &Server, site: &Site) -> Result<Vec<String>, String> {
        match self {
            Means::Java(java) => {
                let rest = (server.java)(site, java)?;
                Ok(["java".to_owned()].into_iter().chain(java.arguments()).chain(rest).collect())
            }
            Means::Docker => {
                let begin = ["docker", "run", "--rm"].map(str::to_owned);
                let rest = (server.docker)(site)?;
                Ok(begin.into_iter().chain(rest).chain([server.image.to_owned()]).collect())
            }
        }
    }
}

impl Java {
    /// Returns `java` with the class path set, for another program of the broker.
    pub(crate) fn command(&self) -> Command {
        let mut java = Command::new("java");
        java.args(self.arguments()).stdin(Stdio::null());
        java
    }

    /// Returns the class path, and options for a fast start of the virtual machine. The caller chooses the garbage
    /// collector.
    fn arguments(&self) -> [String; 3] {
        let class_path = format!("{}/*", self.0.display());
        ["-cp", &class_path, "-XX:TieredStopAtLevel=1"].map(str::to_owned)
    }
}

/// Returns Java with the jars; downloads them if they are missing.
pub(super) fn java(server: &Server, home: &Path) -> Result<Java, String> {
    let jars = home.join("jars");
    program("java").map_err(|_| "no java")?;
    if jars.is_dir() {
        return Ok(Java(jars));
    }
    program("mvn").map_err(|_| "no mvn to fetch it with")?;
    let aside = home.join("jars.part");
    let pom = home.join("pom.xml");
    fs::write(&pom, project(server.artifacts)).map_err(|error| format!("{}: {error}", pom.display()))?;
    let output = Command::new("mvn")
        .args(["--batch-mode", "--no-transfer-progress", "--quiet", "--file"])
        .arg(&pom)
        .arg(COPY)
        .arg(format!("-DoutputDirectory={}", aside.display()))
        .arg("-DincludeScope=runtime")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("mvn could not fetch it: {}", tail(&String::from_utf8_lossy(&output.stdout), 500)));
    }
    fs::rename(&aside, &jars).map_err(|error| format!("{}: {error}", jars.display()))?;
    Ok(Java(jars))
}

/// Returns a Maven project that consists only of these dependencies.
fn project(artifacts: &[&str]) -> String {
    let mut text = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>kit</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n",
    );
    for artifact in artifacts {
        let mut parts = artifact.split(':');
        for name in ["groupId", "artifactId", "version"] {
            let open = if name == "groupId" { "<dependency>" } else { "" };
            let part = parts.next().expect("an artifact is group:artifact:version");
            write!(text, "{open}<{name}>{part}</{name}>").expect("a string takes all text");
        }
        text.push_str("</dependency>\n");
    }
    text.push_str("</dependencies></project>\n");
    text
}

/// Checks that Docker answers, and pulls the image if it is missing.
fn docker(server: &Server) -> Result<(), String> {
    program("docker").map_err(|_| "no docker")?;
    let works = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !works(&["version"]) {
        return Err("the docker daemon does not answer".to_owned());
    }
    if works(&["image", "inspect", server.image]) || works(&["pull", "--quiet", server.image]) {
        return Ok(());
    }
    Err(format!("docker could not fetch {}", server.image))
}
