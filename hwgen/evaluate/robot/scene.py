"""The robot's world: a Franka arm in panda-gym, three coloured cubes on a table, one of them to be reached.

Headless (PyBullet DIRECT, Tiny renderer). Lengths are metres, the end effector's motion is commanded as a
fraction of `MAX_STEP` per control step, so that |action| <= 1 and the slowest success takes over ten steps.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hwgen.policies.embodiment import COLOURS, MAX_STEP
from hwgen.quiet import STDERR, STDOUT, quiet

_RGBA = {"red": (0.9, 0.1, 0.1, 1.0), "green": (0.1, 0.9, 0.1, 1.0), "blue": (0.1, 0.1, 0.9, 1.0)}
CUBE_HALF = 0.0275
TABLE_X = (-0.15, 0.15)
TABLE_Y = (-0.17, 0.17)
CUBE_GAP = 0.115  # least distance between two cubes' centres
REACH_RADIUS = 0.02  # success: end effector this close to the right cube's centre
TOUCH_RADIUS = 0.05  # a cube counts as touched within this distance
_PANDA_GYM_STEP = 0.05  # panda-gym's own displacement for |action| = 1
IMAGE_SIZE = 64


def _light_urdf(folder: Path) -> Path:
    """Write a Franka URDF that draws the collision meshes: the stock visual meshes are megabytes of OBJ each,
    and drawing them takes nearly all of the software renderer's time."""
    import pybullet_data

    source = Path(pybullet_data.getDataPath()) / "franka_panda"
    text = (source / "panda.urdf").read_text()
    meshes = f"{source}/meshes/collision/"
    for stock in ("package://meshes/visual/", "package://meshes/collision/"):
        text = text.replace(stock, meshes)
    path = folder / "panda_light.urdf"
    path.write_text(text)
    return path


def _simulator():
    """panda-gym's simulator, with the light arm in place of the stock one."""
    from panda_gym.pybullet import PyBullet

    class LightSimulator(PyBullet):
        def loadURDF(self, body_name, **kwargs):  # noqa: N802 - panda-gym's name
            with tempfile.TemporaryDirectory() as folder:
                kwargs["fileName"] = str(_light_urdf(Path(folder)))
                super().loadURDF(body_name, **kwargs)
            body = self._bodies_idx[body_name]
            for shape in self.physics_client.getVisualShapeData(body):
                self.physics_client.changeVisualShape(body, shape[1], rgbaColor=(0.75, 0.75, 0.75, 1.0))

    return LightSimulator(render_mode="rgb_array", renderer="Tiny", background_color=np.full(3, 60.0))


class ReachWorld:
    """One arm, one table, three cubes. Deterministic for a seed.

    `reset(seed)` places the cubes and draws the goal; `step(action)` moves the end effector by
    MAX_STEP * action; `image()` is uint8 [64, 64, 3]; `ee` the end-effector position float64 [3].
    """

    def __init__(self) -> None:
        with quiet(STDOUT), quiet(STDERR):
            from panda_gym.envs.robots.panda import Panda

            self._sim = _simulator()
        self._sim.create_plane(z_offset=-0.4)
        self._sim.create_table(length=1.1, width=0.7, height=0.4, x_offset=-0.3)
        for colour in COLOURS:
            self._sim.create_box(
                body_name=colour,
                half_extents=np.full(3, CUBE_HALF),
                mass=0.0,
                ghost=True,  # the arm passes through: contact is judged by distance
                position=np.zeros(3),
                rgba_color=np.array(_RGBA[colour]),
            )
        self._robot = Panda(self._sim, block_gripper=True, base_position=np.array([-0.6, 0.0, 0.0]), control_type="ee")
        client = self._sim.physics_client
        self._view = client.computeViewMatrixFromYawPitchRoll((0.0, 0.0, 0.05), 0.85, 90, -40, 0, 2)
        self._projection = client.computeProjectionMatrixFOV(38, 1.0, 0.1, 3.0)
        self._clean_state = client.saveState()
        self.cubes = np.zeros((3, 3))
        self.goal_index = 0

    def reset(self, seed: int) -> None:
        """Same seed, same world: cubes float64 [3, 3] (centres), goal_index 0..2, arm in its neutral pose."""
        rng = np.random.default_rng(seed)
        while True:
            xy = np.stack([rng.uniform(*TABLE_X, 3), rng.uniform(*TABLE_Y, 3)], axis=1)
            if min(np.linalg.norm(xy[i] - xy[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > CUBE_GAP:
                break
        self.cubes = np.concatenate([xy, np.full((3, 1), CUBE_HALF)], axis=1)
        self.goal_index = int(rng.integers(3))
        # Restoring the state also clears the solver's warm start, which would carry the last episode over.
        self._sim.physics_client.restoreState(self._clean_state)
        for colour, position in zip(COLOURS, self.cubes, strict=True):
            self._sim.set_base_pose(colour, position, np.array([0.0, 0.0, 0.0, 1.0]))
        self._robot.reset()

    def jump(self, position: np.ndarray) -> None:
        """Put the end effector at position [3] (varied starts for demonstrations)."""
        joints = self._robot.neutral_joint_values.copy()
        self._robot.set_joint_angles(joints)
        down = np.array([1.0, 0.0, 0.0, 0.0])
        for _ in range(3):  # the solver starts from the present pose and needs a few rounds
            joints[:7] = self._robot.inverse_kinematics(self._robot.ee_link, position, down)[:7]
            self._robot.set_joint_angles(joints)

    def step(self, action: np.ndarray) -> None:
        """Move by MAX_STEP * action, action float [3] clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        self._robot.set_action(clipped * (MAX_STEP / _PANDA_GYM_STEP))
        self._sim.step()

    @property
    def ee(self) -> np.ndarray:
        return np.array(self._robot.get_ee_position())

    @property
    def goal(self) -> np.ndarray:
        return self.cubes[self.goal_index]

    def image(self, size: int = IMAGE_SIZE) -> np.ndarray:
        """The camera's picture, uint8 [size, size, 3]."""
        import pybullet

        pixels = self._sim.physics_client.getCameraImage(
            size,
            size,
            self._view,
            self._projection,
            shadow=False,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
        )[2]
        return np.asarray(pixels, np.uint8).reshape(size, size, 4)[..., :3].copy()

    def close(self) -> None:
        self._sim.close()
