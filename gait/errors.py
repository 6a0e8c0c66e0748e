"""Every error this project raises on purpose.

GaitError
├── ClipError                 a clip cannot be what it was said to be
│   ├── ClipShapeError        clip.shape
│   ├── ClipDtypeError        clip.dtype
│   ├── ClipEmptyError        clip.empty
│   ├── ClipModalityError     clip.modality
│   ├── ClipQualityError      clip.quality (fields: quality, quality_reasons, least, mode)
│   └── ClipDuplicateError    clip.duplicate
├── DecodeError               a file cannot be turned into a clip
│   ├── UnsupportedFormatError  decode.format
│   ├── CorruptFileError        decode.corrupt
│   ├── LimitExceededError      decode.limit
│   └── ForbiddenContentError   decode.forbidden
├── CaptureError              a recording cannot be searched for people
│   ├── WeightsError          capture.weights
│   ├── MissingExtraError     capture.extra
│   ├── SourceLostError       capture.source_lost
│   ├── CaptureStateError     capture.state
│   └── SensorPlacementError  capture.placement
├── DataError                 a dataset on disk
│   ├── ForbiddenPickleError  data.pickle_forbidden
│   ├── CorruptDataError      data.corrupt
│   ├── PartitionError        data.partition
│   ├── PackError             data.pack
│   ├── MotionFileError       data.motion (file and line)
│   └── LayoutError           data.layout
├── ConfigError               config.invalid
├── EvaluationError           evaluation.invalid
├── TrainingError             training.failed
│   ├── NonFiniteLossError    training.nonfinite_loss
│   ├── OutOfMemoryError      training.out_of_memory
│   └── CheckpointError       training.checkpoint
├── ExportError               export.failed
│   ├── ParityError           export.checks.parity
│   └── VariantRefusedError   export.refused (fields: variant, loss, allowed)
├── BundleError               bundle.invalid
│   └── BundleTamperedError   bundle.tampered
├── EncoderError              encoder.failed
├── GalleryError              gallery.invalid
│   ├── GalleryLockedError    gallery.locked
│   ├── ContractMismatchError gallery.contract
│   ├── GalleryNotFoundError  gallery.not_found
│   ├── GalleryExistsError    gallery.exists
│   ├── SubjectNotFoundError  gallery.subject_not_found
│   ├── SubjectDuplicateError gallery.subject_duplicate
│   ├── TemplateNotFoundError gallery.template_not_found
│   ├── GalleryEmptyError     gallery.empty
│   ├── GalleryCorruptError   gallery.corrupt
│   ├── MasterKeyError        gallery.master_key
│   ├── CalibrationError      gallery.calibration (fields: people, needed)
│   └── TransferError         gallery.transfer
├── AccessError               access.refused
│   ├── ScopeError            access.scope
│   ├── GalleryAccessError    access.gallery
│   ├── KeyNotFoundError      access.key_not_found
│   ├── KeyStateError         access.key_state
│   └── RateError             access.rate (fields: retry_after, in seconds)
├── ServiceError              service.failed
│   ├── BusyError             service.busy
│   ├── ClosingError          service.closing
│   ├── DeadlineError         service.deadline
│   ├── DecoderLostError      service.decoder
│   └── ClientLeftError       service.client_left
├── RemoteError               remote.refused (problem, status and request_id of the reply)
│   └── RemoteUnreachableError  remote.unreachable
├── AuditError                audit.invalid
│   ├── AuditNotFoundError    audit.not_found
│   └── AuditBrokenError      audit.broken
└── StorageError              storage.failed (disk full, not writable)
    ├── StorageUnavailableError storage.unavailable
    └── AuditUnavailableError audit.unavailable

`code` is stable: programs may branch on it. The message says what was got, what was wanted and
what to do. `fields` are plain JSON values that go into a problem report as they are.
"""

from typing import ClassVar

FieldValue = str | int | float | bool | list[str] | None


class GaitError(Exception):
    """Root of the tree. Never raised itself."""

    code: ClassVar[str] = "gait"

    def __init__(self, message: str, **fields: FieldValue) -> None:
        super().__init__(message)
        self.fields = fields


class ClipError(GaitError):
    """A clip cannot be what it was said to be."""

    code = "clip.invalid"


class ClipShapeError(ClipError):
    code = "clip.shape"


class ClipDtypeError(ClipError):
    code = "clip.dtype"


class ClipEmptyError(ClipError):
    """No frame, or none left after unusable ones were dropped."""

    code = "clip.empty"


class ClipModalityError(ClipError):
    """The modality is unknown, or cannot be inferred from the content."""

    code = "clip.modality"


class ClipQualityError(ClipError):
    """The frames are well formed, but do not show one person's walk well enough."""

    code = "clip.quality"


class ClipDuplicateError(ClipError):
    """The same clip is enrolled under another name."""

    code = "clip.duplicate"


class DecodeError(GaitError):
    """A file cannot be turned into a clip."""

    code = "decode.failed"


class UnsupportedFormatError(DecodeError):
    code = "decode.format"


class CorruptFileError(DecodeError):
    code = "decode.corrupt"


class LimitExceededError(DecodeError):
    """A size cap was exceeded; found in headers, before anything was inflated."""

    code = "decode.limit"


class ForbiddenContentError(DecodeError):
    """Content that is never read: pickled objects, links, paths out of the archive."""

    code = "decode.forbidden"


class CaptureError(GaitError):
    """A recording cannot be searched for people."""

    code = "capture.failed"


class WeightsError(CaptureError):
    """The networks that find people are missing, or are others than those that were tried."""

    code = "capture.weights"


class MissingExtraError(CaptureError):
    """A package that only some sources need is not installed."""

    code = "capture.extra"


class SourceLostError(CaptureError):
    """A stream or a camera does not answer, or has ended."""

    code = "capture.source_lost"


class CaptureStateError(CaptureError):
    """A folder of results is damaged, or belongs to another capture."""

    code = "capture.state"


class SensorPlacementError(CaptureError):
    """Where two sensors stand to each other is not known, or cannot be so."""

    code = "capture.placement"


class DataError(GaitError):
    """A dataset on disk is not what it should be."""

    code = "data.invalid"


class ForbiddenPickleError(DataError):
    """A pickle asks for more than numpy arrays and plain containers."""

    code = "data.pickle_forbidden"


class CorruptDataError(DataError):
    code = "data.corrupt"


class PartitionError(DataError):
    code = "data.partition"


class PackError(DataError):
    code = "data.pack"


class MotionFileError(DataError):
    """A malformed ASF, AMC or BVH file; `fields` hold the file and the line."""

    code = "data.motion"


class LayoutError(DataError):
    """A folder does not follow the dataset layout it was said to follow."""

    code = "data.layout"


class ConfigError(GaitError):
    code = "config.invalid"


class EvaluationError(GaitError):
    code = "evaluation.invalid"


class TrainingError(GaitError):
    code = "training.failed"


class NonFiniteLossError(TrainingError):
    code = "training.nonfinite_loss"


class OutOfMemoryError(TrainingError):
    code = "training.out_of_memory"


class CheckpointError(TrainingError):
    """Not a checkpoint, truncated, or of an incompatible version."""

    code = "training.checkpoint"


class ExportError(GaitError):
    code = "export.failed"


class ParityError(ExportError):
    """The exported graph does not compute what the trained network computes."""

    code = "export.checks.parity"


class VariantRefusedError(ExportError):
    """The network in another arithmetic finds fewer people than the trained one."""

    code = "export.refused"


class BundleError(GaitError):
    code = "bundle.invalid"


class BundleTamperedError(BundleError):
    """A file's hash or golden vectors differ from the manifest's."""

    code = "bundle.tampered"


class EncoderError(GaitError):
    code = "encoder.failed"


class GalleryError(GaitError):
    code = "gallery.invalid"


class GalleryLockedError(GalleryError):
    """Another process holds this gallery."""

    code = "gallery.locked"


class ContractMismatchError(GalleryError):
    """The gallery was built with another model bundle."""

    code = "gallery.contract"


class GalleryNotFoundError(GalleryError):
    code = "gallery.not_found"


class GalleryExistsError(GalleryError):
    code = "gallery.exists"


class SubjectNotFoundError(GalleryError):
    code = "gallery.subject_not_found"


class SubjectDuplicateError(GalleryError):
    """A person is enrolled under another name already, by the likeness of clips."""

    code = "gallery.subject_duplicate"


class TemplateNotFoundError(GalleryError):
    code = "gallery.template_not_found"


class PictureNotFoundError(GalleryError):
    """No picture of a template is kept: that takes `keep_pictures` when it is enrolled."""

    code = "gallery.picture_not_found"


class GalleryEmptyError(GalleryError):
    code = "gallery.empty"


class GalleryCorruptError(GalleryError):
    code = "gallery.corrupt"


class CalibrationError(GalleryError):
    """What similarities mean is not known, or not well enough for what is wanted."""

    code = "gallery.calibration"


class MasterKeyError(GalleryError):
    """The key that opens every gallery is missing, unreadable, or another gallery's."""

    code = "gallery.master_key"


class TransferError(GalleryError):
    """An exported gallery is damaged, cut short, not signed by whom it should, or not for us."""

    code = "gallery.transfer"


class AccessError(GaitError):
    """The service refuses this to this key."""

    code = "access.refused"


class ScopeError(AccessError):
    code = "access.scope"


class GalleryAccessError(AccessError):
    """The key is for other galleries."""

    code = "access.gallery"


class KeyNotFoundError(AccessError):
    """An operation on a key that does not exist."""

    code = "access.key_not_found"


class KeyStateError(AccessError):
    """The key has been revoked, or has expired."""

    code = "access.key_state"


class RateError(AccessError):
    """Too many requests for a while; `fields` hold `retry_after`, in seconds."""

    code = "access.rate"


class ServiceError(GaitError):
    """The service cannot do now what it could do at another time."""

    code = "service.failed"


class BusyError(ServiceError):
    """Too much waits already; the field `retry_after` says when to come back, in seconds."""

    code = "service.busy"


class ClosingError(ServiceError):
    """The service is stopping."""

    code = "service.closing"


class DeadlineError(ServiceError):
    """It was not done within the time a request may take."""

    code = "service.deadline"


class DecoderLostError(ServiceError):
    """The process that read a clip was ended by somebody else."""

    code = "service.decoder"


class ClientLeftError(ServiceError):
    """Nobody waits for the answer any more."""

    code = "service.client_left"


class RemoteError(GaitError):
    """A service that was asked refused or failed.

    Attributes:
        problem: stable code of the service's report, such as `gallery.not_found`.
        detail: what the service said.
        status: of the reply; 0 if there was none.
        request_id: under which the service's log says more; empty if there was no reply.
    """

    code = "remote.refused"

    def __init__(
        self,
        message: str,
        *,
        problem: str = "",
        status: int = 0,
        request_id: str = "",
        **fields: FieldValue,
    ) -> None:
        super().__init__(message, **fields)
        self.problem = problem
        self.detail = message
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        if not self.status:
            return self.detail
        return f"{self.detail} ({self.status} {self.problem}, request {self.request_id})"


class RemoteUnreachableError(RemoteError):
    """No service answered, or what answered is not such a service."""

    code = "remote.unreachable"


class StorageError(GaitError):
    """The disk is full, or a folder cannot be written."""

    code = "storage.failed"


class StorageUnavailableError(StorageError):
    """A database or an index on another machine cannot be reached now, or is not ready yet."""

    code = "storage.unavailable"


class AuditError(GaitError):
    """What was asked of the audit records cannot be done."""

    code = "audit.invalid"


class AuditNotFoundError(AuditError):
    """There is no such record."""

    code = "audit.not_found"


class AuditBrokenError(AuditError):
    """The chain of records is not as its head says."""

    code = "audit.broken"


class AuditUnavailableError(StorageError):
    """A use cannot be recorded, so no result of it may leave."""

    code = "audit.unavailable"
