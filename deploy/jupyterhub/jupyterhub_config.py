"""A class on one machine: `make hub`. What to set before it, and how the class reaches it, is in deploy/README.md."""

from __future__ import annotations

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub reads this file and gives it the function

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy import figures, settings, spawners  # noqa: E402

PORT = int(os.environ.get("CLASS_PORT", 8000))
FOLDER = Path(os.environ.get("CLASS_FOLDER", settings.ROOT / ".hub")).resolve()
PRIVATE = FOLDER / "private"
for folder, mode in ((FOLDER, 0o711), (PRIVATE, 0o700)):
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
UNITS = os.environ.get("CLASS_SPAWNER", "systemd" if spawners.systemd_is_here() else "processes") == "systemd"

# Nothing but this machine reaches the hub: whatever speaks TLS to the class stands in front of it.
# Trap: configurable-http-proxy hides from the hub that it was https; only the address brings secure cookies.
c.JupyterHub.bind_url = f"http://127.0.0.1:{PORT}"
c.JupyterHub.public_url = os.environ.get("CLASS_ADDRESS", "")
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{PORT + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PORT + 2}"
# Trap: without -P the folder of that file, with a jupyterhub in it, would be the first that imports look into.
c.ConfigurableHTTPProxy.command = [sys.executable, "-P", str(settings.ROOT / "deploy" / "proxy.py")]
c.ConfigurableHTTPProxy.pid_file = str(PRIVATE / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{PRIVATE / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(PRIVATE / "cookie_secret")

# One password for the class: whoever has it may use any name that is no admin's.
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = settings.learners_password()
admins, admins_password = settings.admins()
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = settings.USERNAMES
c.Authenticator.admin_users = admins
if admins_password:
    c.SharedPasswordAuthenticator.admin_password = admins_password

# Each learner has a server, a home, and in it a copy of the repository, which is what their kernels import.
c.JupyterHub.spawner_class = spawners.UnitSpawner if UNITS else spawners.ProcessSpawner
c.Spawner.cmd = spawners.SERVER
c.Spawner.default_url = settings.first_page(settings.repository())
c.Spawner.environment = {
    "PYTHONPATH": spawners.clone,
    "PATH": spawners.programs,
    "GIT_CONFIG_SYSTEM": str(settings.trusting_gitconfig(FOLDER)),
}
c.Spawner.mem_limit = figures.LIMIT * figures.MIB
c.Spawner.mem_guarantee = figures.GUARANTEE * figures.MIB
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.UnitSpawner.dynamic_users = True
c.UnitSpawner.isolate_tmp = c.UnitSpawner.isolate_devices = True
c.UnitSpawner.unit_extra_properties = {"MemorySwapMax": "0", "TasksMax": "1024"}
c.ProcessSpawner.home_dir_template = str(FOLDER / "homes" / "{username}")
if not UNITS:
    print(
        "No systemd, or not root: learners' servers are processes of one user, who can read each other's files."
    )

# A kernel that no browser shows ends after an hour, and so does a server that nobody uses. Files stay.
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={settings.IDLE}",
    f"--MappingKernelManager.cull_interval={settings.LOOK_AT_KERNELS}",
    "--LanguageServerManager.autodetect=False",  # there is none, and the search takes seconds
]
if not UNITS and os.geteuid() == 0:
    c.Spawner.args.append("--allow-root")
CULLING = [f"--timeout={settings.IDLE}", f"--cull-every={settings.LOOK_AT_SERVERS}"]
c.JupyterHub.services = [
    {"name": "culler", "command": [sys.executable, "-m", "jupyterhub_idle_culler", *CULLING]}
]
SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
c.JupyterHub.load_roles = [{"name": "culler", "scopes": SCOPES, "services": ["culler"]}]
