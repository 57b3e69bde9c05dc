//! Errors of the SDK as errors of the port.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use store::HistoryError;

/// Codes of errors that no retry fixes: a wrong table, missing rights, or wrong credentials.
const REFUSED: [&str; 7] = [
    "AccessDeniedException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "ExpiredTokenException",
    "ValidationException",
];

/// True if an item was not written because a later revision exists.
pub(super) fn is_older<R>(error: &SdkError<PutItemError, R>) -> bool {
    let service = error.as_service_error();
    service.is_some_and(PutItemError::is_conditional_check_failed_exception)
}

/// The error of the port for the error of a call.
pub(super) fn failure<E, R>(error: &SdkError<E, R>) -> HistoryError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let is_refused = code.is_some_and(|code| REFUSED.contains(&code))
        || matches!(error, SdkError::ConstructionFailure(_));
    let reason = match error.as_service_error() {
        Some(service) => match (service.code(), service.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => DisplayErrorContext(error).to_string(),
        },
        None => DisplayErrorContext(error).to_string(),
    };
    if is_refused { HistoryError::Refused { reason } } else { HistoryError::Unavailable { reason } }
}
