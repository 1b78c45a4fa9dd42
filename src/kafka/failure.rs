//! Which of the client's errors pass by themselves, and which an operator has to hear of.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use crate::error::FatalError;

/// What an error asks for.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The client goes on by itself: a broker is out of reach, an election, a rebalance.
    Passes,
    /// No connection is made, although the broker is there. Fatal if none is made later.
    NotConnected(FatalError),
    /// The broker does not allow what we ask for. Fatal if that keeps us out of the group.
    Refused(FatalError),
    Fatal(FatalError),
}

/// Judge an error of the consumer. `reason` is the client's text about it.
pub(super) fn judge(error: &KafkaError, reason: &str) -> Verdict {
    let code = error.rdkafka_error_code();
    let told = |what: &str, hint: &str| FatalError::new(format!("{what}: {reason}"), hint);
    match code {
        Some(Code::FencedInstanceId) => Verdict::Fatal(told(
            "another worker has taken this one's place in the group",
            "give each worker its own `kafka.instance_id`",
        )),
        Some(Code::InconsistentGroupProtocol) => Verdict::Fatal(told(
            "the group shares out its partitions in another way",
            "set `kafka.assignment` as the other members have it; to change it, stop all workers first",
        )),
        Some(Code::InvalidSessionTimeout | Code::InvalidGroupId | Code::GroupMaxSizeReached | Code::InvalidTopic) => {
            Verdict::Fatal(told("the broker does not take this member", "check the settings under `kafka`"))
        }
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
            Verdict::Fatal(told("the Kafka client cannot go on", "check the broker's log, then start again"))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism) => {
            Verdict::NotConnected(told(
                "the broker refuses to let this worker in",
                "check `kafka.sasl_mechanism`, `kafka.username` and the password or token",
            ))
        }
        // A broker that does not like our certificate says so after the handshake, and is then only gone.
        code if code == Some(Code::SSL) || reason.contains("SSL alert") => Verdict::NotConnected(told(
            "no TLS connection to the broker",
            "check `kafka.ca_file`, that the broker's certificate names its host, and `kafka.cert_file` and \
             `kafka.key_file`",
        )),
        Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            Verdict::Refused(told(
                "the broker does not allow this",
                "allow this user to read the topics, and to read the group, under `kafka`",
            ))
        }
        _ => Verdict::Passes,
    }
}

/// Whether a message that could not be sent may be sent later, as it is.
pub(super) fn may_be_sent_later(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidMessage
                | Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::InvalidTopic
                | Code::PolicyViolation
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidArgument
        )
    ) && !matches!(error, KafkaError::Nul(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_out_of_reach_is_waited_for() {
        for code in [
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::UnknownTopicOrPartition,
            Code::PollExceeded,
            Code::CoordinatorNotAvailable,
        ] {
            assert!(matches!(judge(&KafkaError::MessageConsumption(code), ""), Verdict::Passes), "{code:?}");
        }
    }

    #[test]
    fn what_an_operator_has_to_mend_is_told() {
        let refused = judge(&KafkaError::MessageConsumption(Code::Authentication), "wrong password");
        assert!(matches!(refused, Verdict::NotConnected(error) if error.message.contains("wrong password")));
        let gone = KafkaError::MessageConsumption(Code::BrokerTransportFailure);
        let alert = "Receive failed: SSL routines::sslv3 alert bad certificate: SSL alert number 42";
        assert!(matches!(judge(&gone, alert), Verdict::NotConnected(error) if error.hint.contains("cert_file")));
        let forbidden = judge(&KafkaError::MessageConsumption(Code::GroupAuthorizationFailed), "");
        assert!(matches!(forbidden, Verdict::Refused(_)));
        let fenced = judge(&KafkaError::MessageConsumptionFatal(Code::FencedInstanceId), "");
        assert!(matches!(fenced, Verdict::Fatal(error) if error.hint.contains("instance_id")));
        let other = judge(&KafkaError::MessageConsumptionFatal(Code::Fail), "");
        assert!(matches!(other, Verdict::Fatal(_)));
    }

    #[test]
    fn what_no_time_can_mend_is_not_sent_again() {
        let later = |code| may_be_sent_later(&KafkaError::MessageProduction(code));
        assert!(later(Code::MessageTimedOut) && later(Code::QueueFull) && later(Code::NotEnoughReplicas));
        assert!(!later(Code::MessageSizeTooLarge) && !later(Code::UnknownTopic));
        assert!(!later(Code::TopicAuthorizationFailed));
    }
}
