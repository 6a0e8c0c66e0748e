"""`GET /v1/models`: what embeds the clips."""

from fastapi import APIRouter

from serve.access.scopes import Guarded, needs
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.operations import ModelReport, ModelsReply

router = APIRouter(tags=["models"], route_class=Guarded)


@router.get("/v1/models", dependencies=[needs()], responses=problems())
async def models(call: CurrentCall) -> ModelsReply:
    """Lists the models that the service runs: one."""
    encoder = call.service.encoder
    return ModelsReply(
        request_id=call.request_id,
        models=[
            ModelReport(
                contract=encoder.contract,
                simulated=encoder.manifest.simulated,
                dimension=encoder.manifest.dimension,
                modalities=list(encoder.manifest.models),
                provider=encoder.provider,
                variant=encoder.choice.variant,
                variant_reason=encoder.choice.reason,
                variants=list(encoder.manifest.variants),
                frames=encoder.frames,
                range_style=encoder.range_style,
                calibrated=call.service.decider is not None,
            )
        ],
    )
