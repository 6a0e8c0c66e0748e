"""What the similarities of a model mean, learned at export from people it was not trained on."""

import numpy as np

from export.variants.candidates import Reference
from gait.errors import CalibrationError
from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import LabelledClips, calibrate


def calibrated(reference: Reference, contract: str) -> Calibration | None:
    """The calibration of a bundle, from the walks on which its variants were measured.

    Args:
        reference: with embeddings by the fp32 graphs, `(n, p, d)` of unit norm in each part.
        contract: of the bundle.

    Returns:
        None where the people are too few, or have one walk each.
    """
    records, pack = reference.walks.records, reference.walks.pack
    whole = [each.reshape(len(each), -1) / np.sqrt(each.shape[1]) for each in reference.fp32]
    clips = LabelledClips(
        np.array(2 * [record.subject for record in records]),
        np.array(2 * [record.type for record in records]),
        np.repeat([str(modality) for modality in Modality], len(records)),
        np.concatenate(whole),
    )
    try:
        return calibrate(
            clips,
            contract=contract,
            simulated=pack.simulated,
            data=f"{pack.path.name}, test people",
        )
    except CalibrationError:
        return None
