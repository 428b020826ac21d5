//! What was asked and on what basis, as requests and decisions both say it.

use daybook_domain::{Basis, OperationKind};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Operation", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OperationRecord {
    Unknown,
    Book,
    Reschedule,
    Cancel,
    Define,
    Expire,
    Hold,
    Confirm,
    Release,
    Update,
    Observe,
    Redact,
}

impl From<OperationKind> for OperationRecord {
    fn from(kind: OperationKind) -> Self {
        match kind {
            OperationKind::Book => Self::Book,
            OperationKind::Hold => Self::Hold,
            OperationKind::Confirm => Self::Confirm,
            OperationKind::Release => Self::Release,
            OperationKind::Reschedule => Self::Reschedule,
            OperationKind::Update => Self::Update,
            OperationKind::Cancel => Self::Cancel,
            OperationKind::Observe => Self::Observe,
            OperationKind::Define => Self::Define,
            OperationKind::Redact => Self::Redact,
            OperationKind::Expire => Self::Expire,
            OperationKind::Unknown => Self::Unknown,
        }
    }
}

impl From<OperationRecord> for OperationKind {
    fn from(record: OperationRecord) -> Self {
        match record {
            OperationRecord::Book => Self::Book,
            OperationRecord::Hold => Self::Hold,
            OperationRecord::Confirm => Self::Confirm,
            OperationRecord::Release => Self::Release,
            OperationRecord::Reschedule => Self::Reschedule,
            OperationRecord::Update => Self::Update,
            OperationRecord::Cancel => Self::Cancel,
            OperationRecord::Observe => Self::Observe,
            OperationRecord::Define => Self::Define,
            OperationRecord::Redact => Self::Redact,
            OperationRecord::Expire => Self::Expire,
            OperationRecord::Unknown => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Basis", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum BasisRecord {
    Unknown,
    Asked,
    Promised,
    Imported,
}

impl From<Basis> for BasisRecord {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::Asked => Self::Asked,
            Basis::Promised => Self::Promised,
            Basis::Imported => Self::Imported,
        }
    }
}

impl From<BasisRecord> for Basis {
    fn from(record: BasisRecord) -> Self {
        match record {
            BasisRecord::Asked => Self::Asked,
            BasisRecord::Imported => Self::Imported,
            // A record that does not say comes from a vendor, who had told the customer. To assume it wrongly costs a
            // person a look; to miss it leaves a customer with a booking that nobody has.
            BasisRecord::Promised | BasisRecord::Unknown => Self::Promised,
        }
    }
}
