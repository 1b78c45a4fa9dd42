//! Apache Kafka, one node. Lag, groups, transactions, TLS, SASL and restarts with the data kept are its own.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rdkafka::ClientConfig;
use tempfile::TempDir;

use super::{
    child::{self, Server, free_port},
    installed,
    kafka_client::KafkaClient,
    tls::Certificates,
};

/// The user of the SASL listener, by every mechanism.
pub const USER: &str = "obscura";
pub const PASSWORD: &str = "a-password-of-tests";

/// Which listeners there are beside the plain one.
#[derive(Debug, Clone, Copy, Default)]
pub struct KafkaOptions {
    /// A listener with TLS.
    pub tls: bool,
    /// A listener with TLS and PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (with unsigned tokens).
    pub sasl: bool,
    /// The listener with TLS asks for a client's certificate.
    pub client_auth: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    controller: u16,
    plain: u16,
    tls: u16,
    sasl: u16,
}

/// A broker of one's own, or the one that the tests of this process share.
pub struct Kafka {
    bootstrap: String,
    own: Option<Own>,
}

/// What there is of a broker that we started.
struct Own {
    options: KafkaOptions,
    ports: Ports,
    certificates: Certificates,
    starts: AtomicU32,
    // Before the folder: the broker must end before its data goes.
    server: Mutex<Option<Server>>,
    folder: TempDir,
}

impl Kafka {
    /// Start a broker; about five seconds.
    pub fn start(options: KafkaOptions) -> Self {
        let mut attempts = 0;
        loop {
            match Self::try_start(options) {
                Ok(kafka) => return kafka,
                // Somebody took one of our ports.
                Err(reason) if attempts < 3 && reason.contains("BindException") => attempts += 1,
                Err(reason) => panic!("{reason}"),
            }
        }
    }

    /// The plain broker of this test process: `OBSCURA_TEST_KAFKA=host:port` if that is set, else started by the first
    /// who asks. Use topics of your own ([`Kafka::topic`]) and do not stop it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("OBSCURA_TEST_KAFKA") {
            Ok(bootstrap) => Self { bootstrap, own: None },
            Err(_) => Self::start(KafkaOptions::default()),
        })
    }

    fn try_start(options: KafkaOptions) -> Result<Self, String> {
        let folder = child::folder("kafka");
        let ports = Ports { controller: free_port(), plain: free_port(), tls: free_port(), sasl: free_port() };
        let certificates = Certificates::make(&folder.path().join("certificates"));
        let own = Own { options, ports, certificates, starts: AtomicU32::new(0), server: Mutex::new(None), folder };
        fs::write(own.properties_file(), own.properties()).unwrap();
        own.format();
        own.run()?;
        Ok(Self { bootstrap: format!("127.0.0.1:{}", ports.plain), own: Some(own) })
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("a broker that these tests started; OBSCURA_TEST_KAFKA names one that they did not")
    }

    /// `host:port` of the plain listener.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// `host:port` of the listener with TLS.
    pub fn tls_bootstrap(&self) -> String {
        assert!(self.own().options.tls, "start it with `tls: true`");
        format!("localhost:{}", self.own().ports.tls)
    }

    /// `host:port` of the listener with TLS and SASL.
    pub fn sasl_bootstrap(&self) -> String {
        assert!(self.own().options.sasl, "start it with `sasl: true`");
        format!("localhost:{}", self.own().ports.sasl)
    }

    pub fn certificates(&self) -> &Certificates {
        &self.own().certificates
    }

    /// A client of the plain listener.
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(self.plain_config())
    }

    pub fn plain_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// With TLS and the client's certificate.
    pub fn tls_config(&self) -> ClientConfig {
        let mut config = self.tls_config_without_certificate();
        config.set("ssl.certificate.location", self.certificates().client_certificate_file().to_str().unwrap());
        config.set("ssl.key.location", self.certificates().client_key_file().to_str().unwrap());
        config
    }

    pub fn tls_config_without_certificate(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.tls_bootstrap()).set("security.protocol", "ssl");
        config.set("ssl.ca.location", self.certificates().ca_file().to_str().unwrap());
        config
    }

    /// `mechanism` is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER, which needs no password.
    pub fn sasl_config(&self, mechanism: &str, password: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.sasl_bootstrap()).set("security.protocol", "sasl_ssl");
        config.set("ssl.ca.location", self.certificates().ca_file().to_str().unwrap());
        config.set("sasl.mechanism", mechanism);
        if mechanism == "OAUTHBEARER" {
            config.set("enable.sasl.oauthbearer.unsecure.jwt", "true");
            config.set("sasl.oauthbearer.config", format!("principal={USER}"));
        } else {
            config.set("sasl.username", USER).set("sasl.password", password);
        }
        config
    }

    /// A name that no other test uses.
    pub fn unique(name: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // With an existing broker, names must differ from run to run.
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        format!("{name}-{}-{nanos:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Create a topic with a name that starts with `name` and that no other test uses.
    pub fn topic(&self, name: &str, partitions: i32) -> String {
        let topic = Self::unique(name);
        self.create_topic(&topic, partitions, &[]);
        topic
    }

    /// `configs` as Kafka names them, such as `("retention.ms", "1000")`.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        self.client().create_topic(name, partitions, configs);
    }

    /// An orderly end; [`Kafka::start_again`] goes on with the same data and ports.
    pub fn stop(&self) {
        self.own().server.lock().unwrap().take().expect("a broker that runs").stop();
    }

    /// The end of a power failure: nothing is flushed or said goodbye to.
    pub fn kill(&self) {
        drop(self.own().server.lock().unwrap().take().expect("a broker that runs"));
    }

    pub fn start_again(&self) {
        self.own().run().unwrap();
    }

    /// Kill it and start it again with the same data and ports.
    pub fn restart(&self) {
        self.kill();
        self.start_again();
    }

    /// Make it unreachable: connections stay open, nothing is answered.
    pub fn suspend(&self) {
        self.own().signal("STOP");
    }

    pub fn resume(&self) {
        self.own().signal("CONT");
    }

    /// What the broker wrote since it last started.
    pub fn log(&self) -> String {
        self.own().server.lock().unwrap().as_ref().map(Server::log).unwrap_or_default()
    }
}

impl Own {
    fn properties_file(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn signal(&self, name: &str) {
        self.server.lock().unwrap().as_ref().expect("a broker that runs").signal(name);
    }

    fn properties(&self) -> String {
        let Ports { controller, plain, tls, sasl } = self.ports;
        let mut listeners = vec![format!("CONTROLLER://127.0.0.1:{controller}"), format!("PLAIN://127.0.0.1:{plain}")];
        let mut advertised = vec![format!("PLAIN://127.0.0.1:{plain}")];
        for (wanted, name, port) in [(self.options.tls, "TLS", tls), (self.options.sasl, "SASL", sasl)] {
            if wanted {
                listeners.push(format!("{name}://127.0.0.1:{port}"));
                advertised.push(format!("{name}://localhost:{port}"));
            }
        }
        let (listeners, advertised) = (listeners.join(","), advertised.join(","));
        let data = self.folder.path().join("data");
        let server = self.certificates.server_file();
        let authority = self.certificates.ca_file();
        let client_auth = if self.options.client_auth { "required" } else { "none" };
        let security = "org.apache.kafka.common.security";
        format!(
            r#"process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={advertised}
inter.broker.listener.name=PLAIN
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_SSL
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
# One node replicates to nobody.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Tests should not wait for members that never come.
group.initial.rebalance.delay.ms=0
# Workers of tests may ask for sessions as short as they like.
group.min.session.timeout.ms=100
# A killed broker may come back only after its session.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
ssl.keystore.type=PEM
ssl.keystore.location={server}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.tls.ssl.client.auth={client_auth}
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}";
"#,
            data = data.display(),
            server = server.display(),
            authority = authority.display(),
        )
    }

    /// Write the identity of a new, empty node, and its users.
    fn format(&self) {
        // Any 16 bytes in URL-safe base64.
        const CLUSTER_ID: &str = "T2JzY3VyYSdzIHRlc3RzIQ";
        let mut command = java("256m", "kafka.tools.StorageTool");
        command.args(["format", "--standalone", "--cluster-id", CLUSTER_ID, "--config"]).arg(self.properties_file());
        if self.options.sasl {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                command.args(["--add-scram", &format!("{mechanism}=[name={USER},password={PASSWORD}]")]);
            }
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Start the broker on what is in its folder, and wait until it answers.
    fn run(&self) -> Result<(), String> {
        let mut server = self.server.lock().unwrap();
        assert!(server.is_none(), "the broker runs already");
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let mut command = java("512m", "kafka.Kafka");
        command.arg(self.properties_file());
        let mut started = Server::start(&command, self.folder.path().join(format!("log.{number}")));
        started.wait_until("Kafka started", |server| server.log().contains("Kafka Server started"))?;
        *server = Some(started);
        Ok(())
    }
}

fn java(heap: &str, class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms64m", &format!("-Xmx{heap}"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    let logging = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/servers/kafka/log4j2.properties");
    command.arg(format!("-Dlog4j2.configurationFile={logging}"));
    command.arg("-cp").arg(installed("kafka").join("*")).arg(class);
    command
}
