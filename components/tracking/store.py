"""Opens the MLflow store: a SQLite file in mlruns/ with the artifacts beside it, or whatever MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from components.errors import UserError
from components.tracking.lock import file_lock
from components.tracking.redaction import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_SQLITE_HEADER = b"SQLite format 3\0"
_ANSWER_WITHIN_S = 20
_OK = 200


@dataclass(frozen=True)
class Store:
    """An MLflow store; it is opened, and made where it is missing, by the first use of `client`.

    Attributes:
        uri: As MLflow takes it.
    """

    uri: str

    @property
    def shown(self) -> str:
        """The address for messages, without credentials."""
        return str(self.database) if self.database else redact(self.uri)

    @cached_property
    def database(self) -> Path | None:
        """The SQLite file; None for a server."""
        if not self.uri.startswith(_SQLITE):
            return None
        return Path(unquote(self.uri.removeprefix(_SQLITE).partition("?")[0])).absolute()

    @property
    def is_server(self) -> bool:
        """Whether it is asked over HTTP; else MLflow works on the database itself."""
        return self.uri.startswith(("http://", "https://"))

    @cached_property
    def client(self) -> MlflowClient:
        """The client. Raises: UserError if the store can't be opened; the message says what to do."""
        if self.database:
            self._create_database(self.database)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        _silence()
        if self.is_server:
            _check_server(self)
        try:
            return MlflowClient(self.uri)
        except MlflowException as error:
            raise UserError(f"MLflow store {self.shown}: {redact(str(error))}") from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps out other processes that change the registry; a server's has `registry_lock` instead."""
        if self.database is None:
            yield
            return
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(self.database.with_name("registry.lock")):
            yield

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Makes this MLflow's global store, for the calls that ask that one instead of their client's."""
        import mlflow

        variable = os.environ.get("MLFLOW_TRACKING_URI")
        previous = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        if previous == variable:
            previous = None  # comes from the variable alone: set as MLflow's own, it would outlive the variable
        mlflow.set_tracking_uri(self.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(previous)
            # set_tracking_uri tells child processes too.
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            if variable is not None:
                os.environ["MLFLOW_TRACKING_URI"] = variable

    def experiment_id(self, name: str) -> str:
        """The id of the experiment `name`, made if missing. Raises: UserError if it can't be used."""
        from mlflow.exceptions import MlflowException

        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = self.database.parent / "artifacts" / name if self.database else None
            try:
                return str(self.client.create_experiment(name, location.as_uri() if location else None))
            except MlflowException:
                # Another process may have been faster.
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise UserError(
                f"MLflow store {self.shown}: experiment '{name}' is deleted. Expected it active, or not there. Bring it back: "
                f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
            )
        self._check_artifacts(name, experiment.artifact_location)
        return str(experiment.experiment_id)

    def _check_artifacts(self, name: str, location: str) -> None:
        """MLflow records artifacts by their whole path, so a store that is moved loses sight of them."""
        if self.database is None or not location.startswith("file:"):
            return
        recorded, expected = local_path(location), self.database.parent / "artifacts"
        if recorded != expected / name and not recorded.parent.is_dir():
            raise UserError(
                f"MLflow store {self.shown}: the artifacts of experiment '{name}' are recorded in {recorded}, which is not "
                f"there. Expected them in {expected}: the store was moved. Move it back, or set it aside and start a new one "
                "by renaming the folder mlruns."
            )

    def _create_database(self, database: Path) -> None:
        """Creates the tables under another name and renames the file, so that a kill leaves no half-made database."""
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(database.with_name("create.lock")):
                if database.exists() and database.stat().st_size:
                    with database.open("r+b") as file:
                        if file.read(len(_SQLITE_HEADER)) != _SQLITE_HEADER:
                            raise UserError(f"{database}: no SQLite database. Expected the MLflow store: set the file aside.")
                    return
                draft = database.with_name(f"{database.name}.new")
                draft.unlink(missing_ok=True)
                _make_tables(draft, database.parent / "artifacts")
                draft.rename(database)
        except OSError as error:
            raise UserError(
                f"{database}: {error.strerror}. Expected a folder and a file that can be written, for the MLflow store: mend "
                "the permissions, or name another store in the environment variable MLFLOW_TRACKING_URI."
            ) from None


def open_store(root: Path) -> Store:
    """The store that MLFLOW_TRACKING_URI names, else mlruns/mlflow.db in the repository's `root`.

    Raises: UserError if MLFLOW_TRACKING_URI names a folder, which MLflow no longer takes.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return Store(sqlite_uri(root.absolute() / "mlruns" / "mlflow.db"))
    if "://" not in uri or uri.startswith("file:"):
        raise UserError(
            f"MLFLOW_TRACKING_URI={uri}: a folder. Expected a database or a server, which is all that MLflow still takes: "
            f"unset it for mlruns/mlflow.db, or set it to {_SQLITE}PATH or https://HOST"
        )
    if uri.startswith(_SQLITE):
        database = Store(uri).database
        assert database is not None  # noqa: S101  for the type checker
        return Store(sqlite_uri(database))
    return Store(uri)


def pages(search: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    """All that one of the client's searches finds, whatever fits on a page."""
    token = None
    while True:
        page = search(*arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def sqlite_uri(database: Path) -> str:
    """The address of a SQLite file; SQLAlchemy decodes %-escapes and takes what follows a ? for options."""
    return _SQLITE + str(database).replace("%", "%25").replace("?", "%3F")


def local_path(uri: str) -> Path:
    """The folder that a file: URI names."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))


def _check_server(store: Store) -> None:
    """Asks the server for one experiment, once: MLflow's client would ask again for minutes, in silence, before it gives up.

    Raises: UserError if it does not answer, or refuses to.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking._tracking_service.utils import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        answer = http_request(
            get_default_host_creds(store.uri),
            "/api/2.0/mlflow/experiments/search",
            "POST",
            json={"max_results": 1},
            max_retries=0,
            timeout=_ANSWER_WITHIN_S,
            raise_on_status=False,
        )
    except (MlflowException, OSError) as error:  # those of requests are OSErrors
        raise UserError(
            f"MLflow store {store.shown}: no answer ({redact(_first_cause(error))}). Expected the server that "
            "MLFLOW_TRACKING_URI names: is the address right, and the server running? To work without it: unset "
            "MLFLOW_TRACKING_URI"
        ) from None
    if answer.status_code != _OK:
        text = redact(" ".join(answer.text.split())[:300])
        raise UserError(
            f"MLflow store {store.shown}: refused with status {answer.status_code}: {text}. Expected to be let in: for 401 "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; for 403 ask who runs the "
            "server for the right to it, and whether its --allowed-hosts has this address"
        )


def _first_cause(error: BaseException) -> str:
    """What the system said, without all who passed it on."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error)


def _make_tables(database: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    _silence()
    store = SqlAlchemyStore(sqlite_uri(database), artifacts.as_uri())
    store.engine.dispose()


def _silence() -> None:
    """Every table that is made is a line of INFO, and so is every input example; warnings and errors stay."""
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.WARNING)
