"""What the cases are called, in tables, plots and recorded ratios."""

NONE = "no trigger"
HAND = "counters by a hand-written row trigger"
FLOOR = "counters, no score (the floor)"
SETWISE = "counters and a score by hand, a statement's rows at once; no log"
SCORE = "count + score"
LOG = "count + score + log"
PYTHON = "count + score + log, engine python"
BARE = "a table of the same columns, no trigger"
STATIC = "count + score + log, a static column among the inputs"

EXPERIMENT = "count + score + log, an experiment of two arms"
SHADOW = "count + score + log, a shadow that takes what is logged"
SHADOW_INPUTS = "count + score + log, a shadow with two inputs that the log lacks"

PICKLED = "row trigger, pickled scikit-learn, a numpy row"
FRAME = "row trigger, pickled scikit-learn, a pandas row"
HISTOGRAM = "row trigger, pickled scikit-learn, 100 histogram trees"
FOREST = "row trigger, pickled scikit-learn, 100 random trees"
ORBITAL = "row trigger, orbital's SQL"
ORBITAL_LINEAR = "row trigger, orbital's SQL of a logistic regression"
SOCKET = "application scores and writes back, local socket"
TCP = "application scores and writes back, TCP"
SERVICE = "application asks a web service (FastAPI), writes back"

UPDATE = "UPDATE of the same columns, no trigger"
RESCORE = "CALL modelpack.rescore"
SHARED = "CALL modelpack.rescore, shared by 2 sessions"
NIGHTLY = "a job reads all, scores with onnxruntime in one call, writes back; no log"
MODEL_ALONE = "the model alone, its inputs at hand, nothing written"


def beside(case: str) -> str:
    """The case of the hand-written trigger that runs beside one of ours, on tables of the same size."""
    return f"{case}, {HAND}"


def committed(case: str) -> str:
    """The same with a commit for each event."""
    return f"{case}, each with its own commit"
