"""A LiDAR's recording into clips, from every layout that is read."""

import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

import capture.run as capture_run
from capture.lidar.background import learn
from capture.lidar.capture import LidarCapture, LidarSettings
from capture.lidar.ground import find_ground
from capture.lidar.recording import LidarFormat, open_lidar
from capture.output.recorder import Recorder
from capture.source.scan import Scan, usable
from gait.decode.clip import decode_clip
from gait.errors import ConfigError, CorruptFileError, LayoutError, UnsupportedFormatError
from gait.modality import Modality
from tests.lidar_scenes import HEIGHT, Figure, cloud

SCANS = 50
TWO = (Figure(6.0, -3.0, 0.12), Figure(9.0, 3.0, -0.12))


class Scene:
    """A recording that is computed."""

    def __init__(self, figures: Sequence[Figure], scans: int) -> None:
        self.name = "scene"
        self.count: int | None = scans
        self.seconds = [scan / 10 for scan in range(scans)]
        self._clouds = [cloud(figures, scan) for scan in range(scans)]

    def scans(self) -> Any:
        """The scans."""
        for index, points in enumerate(self._clouds):
            yield Scan(index, self.seconds[index], points)


@pytest.fixture(scope="module")
def two() -> Scene:
    """Two figures who walk past each other, three metres apart."""
    return Scene(TWO, SCANS)


def capture(scene: Scene, out: Path, **settings: Any) -> dict[str, Any]:
    """Captures a scene."""
    chosen = LidarSettings(**({"keep": 10} | settings))
    recorder = Recorder(out, Modality.RANGE_VIEW, {"scene": scene.name}, chosen.keep)
    try:
        LidarCapture(scene, chosen, recorder).run()
    finally:
        recorder.close()
    return recorder.finish()


@pytest.mark.parametrize("fixed", [None, False])
def test_walkers_become_clips_with_and_without_a_background(
    two: Scene, tmp_path: Path, fixed: bool | None
) -> None:
    found = capture(two, tmp_path / "out", fixed=fixed)
    assert len(found["clips"]) >= 2
    for clip in found["clips"]:
        moved = clip["boxes"][-1][1] - clip["boxes"][0][1]
        steps = clip["last_frame"] - clip["first_frame"]
        assert abs(abs(moved / steps) - 0.12) < 0.02
        decoded = decode_clip((tmp_path / "out" / clip["file"]).read_bytes())
        assert decoded.clip.modality is Modality.RANGE_VIEW
        assert decoded.frames_used == clip["frames"]


def test_an_interrupted_capture_goes_on_to_the_same_result(two: Scene, tmp_path: Path) -> None:
    whole = capture(two, tmp_path / "whole")
    recorder = Recorder(tmp_path / "cut", Modality.RANGE_VIEW, {"scene": two.name}, 10)
    first = LidarCapture(two, LidarSettings(keep=10), recorder)

    def stop(_: int) -> None:
        if first._state.step == 20:
            first.save()
        if first._state.step == 31:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(stop)
    recorder.close()
    again = capture(two, tmp_path / "cut")
    assert again["clips"] == whole["clips"]
    texts = [(tmp_path / each / "boxes.csv").read_text() for each in ("whole", "cut")]
    assert texts[0] == texts[1]


def test_who_is_hidden_is_cut_and_who_hides_goes_on(two: Scene, tmp_path: Path) -> None:
    found = capture(two, tmp_path / "out")
    near = [c for c in found["clips"] if abs(c["boxes"][0][0] - 6.0) < 1.0]
    far = [c for c in found["clips"] if abs(c["boxes"][0][0] - 9.0) < 1.0]
    assert sum(clip["frames"] for clip in near) == SCANS
    assert sum(clip["frames"] for clip in far) < SCANS


@pytest.mark.parametrize("up", ["-z", "+y"])
def test_another_axis_may_point_up(
    two: Scene,
    tmp_path: Path,
    up: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a word of it nothing was found, and nobody told why."""
    clouds = tmp_path / "clouds"
    clouds.mkdir()
    for scan in two.scans():
        x, y, z = scan.points.T
        turned = np.stack([x, -y, -z] if up == "-z" else [x, z, -y], axis=1)
        np.save(clouds / f"{scan.index:03}.npy", turned)
    command = ["capture.run", str(clouds), "--keep", "10", "--out"]
    monkeypatch.setattr(sys, "argv", [*command, str(tmp_path / "wrong")])
    capture_run.main()
    assert "--up=-z" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*command, str(tmp_path / "out"), f"--up={up}"])
    capture_run.main()
    found = json.loads((tmp_path / "out" / "tracks.json").read_text())
    assert len(found["clips"]) >= 2
    assert "nobody" not in capsys.readouterr().out


def test_what_no_sensor_measures_is_no_point() -> None:
    odd = [1e300, -1e30, 2e6, np.nan, np.inf]
    points = np.array([[1, 2, 3], [0, 0, 0], *([each, 1, 1] for each in odd)])
    assert usable(points).tolist() == [[1, 2, 3]]


def test_what_does_not_walk_is_nobody(tmp_path: Path) -> None:
    standing = Scene((Figure(6.0, -1.0, 0.0), Figure(8.0, 1.0, 0.005)), SCANS)
    assert capture(standing, tmp_path / "out")["clips"] == []


@pytest.mark.parametrize("fixed", [None, True, False])
def test_a_recording_without_points_is_said(tmp_path: Path, fixed: bool | None) -> None:
    scene = Scene((), 8)
    scene._clouds = [np.zeros((0, 3), np.float32)] * 8
    with pytest.raises(CorruptFileError, match="no point that was measured"):
        capture(scene, tmp_path / "out", fixed=fixed)


def test_the_ground_is_found_under_a_slope() -> None:
    points = cloud((), 0)
    points[:, 2] += 0.05 * points[:, 0]
    at = np.array([[6.0, 1.0, 0.3 - HEIGHT + 0.3]], np.float32)
    assert abs(float(find_ground(points).above(at)[0]) - 0.3) < 0.06


def test_a_sensor_that_moves_has_no_background() -> None:
    still = [cloud((), scan) for scan in range(6)]
    assert learn(still) is not None
    moving = [
        points + np.array([2.0 * row, row, 0], np.float32) for row, points in enumerate(still)
    ]
    assert learn([np.asarray(each, np.float32) for each in moving]) is None


def test_points_that_are_no_measurement_are_left_out() -> None:
    points = np.array([[0, 0, 0], [np.nan, 1, 1], [1, 2, 3], [np.inf, 0, 0]])
    assert usable(points).tolist() == [[1, 2, 3]]


def write_bins(folder: Path, scans: int = 3, name: str = "{:06d}.bin") -> list[np.ndarray]:
    """A folder of KITTI's clouds."""
    folder.mkdir(parents=True)
    clouds = [cloud(TWO, scan) for scan in range(scans)]
    for row, points in enumerate(clouds):
        numbers = 5 if name.endswith(".pcd.bin") else 4
        padded = np.zeros((len(points), numbers), "<f4")
        padded[:, :3] = points
        padded.tofile(folder / name.format(row))
    return clouds


def read(path: Path, **said: Any) -> list[Scan]:
    """The scans of a recording."""
    source = open_lidar(path, LidarFormat(**said))
    assert source is not None
    return list(source.scans())


def test_kitti_by_its_folders_and_times(tmp_path: Path) -> None:
    clouds = write_bins(tmp_path / "velodyne_points" / "data", name="{:010d}.bin")
    times = ["2011-09-26 13:02:25.951199337", "2011-09-26 13:02:26.051199337",
             "2011-09-26 13:02:26.251199337"]  # fmt: skip
    (tmp_path / "velodyne_points" / "timestamps.txt").write_text("\n".join(times))
    scans = read(tmp_path)
    assert np.allclose([each.seconds for each in scans], [0, 0.1, 0.3], atol=1e-5)
    assert all(np.array_equal(s.points, c) for s, c in zip(scans, clouds, strict=True))


@pytest.mark.parametrize("content", [b"", b"when\n", b"\xff\xfe0\n1\n2\n"])
def test_times_that_are_none_are_said_or_counted(tmp_path: Path, content: bytes) -> None:
    write_bins(tmp_path / "velodyne_points" / "data", name="{:010d}.bin")
    (tmp_path / "velodyne_points" / "timestamps.txt").write_bytes(content)
    if content:
        with pytest.raises(LayoutError, match="holds no times"):
            read(tmp_path)
    else:
        assert [each.seconds for each in read(tmp_path)] == [0, 0.1, 0.2]


@pytest.mark.parametrize("where", [".", "velodyne"])
def test_a_recording_that_lacks_scans_keeps_the_times_of_the_others(
    tmp_path: Path, where: str
) -> None:
    write_bins(tmp_path / "velodyne", name="{:06d}.bin")
    (tmp_path / "velodyne" / "000001.bin").unlink()
    times = tmp_path / "times.txt"
    times.write_text("5.0\n5.1\n5.25\n5.35\n")
    assert [each.seconds for each in read(tmp_path / where)] == pytest.approx([0, 0.25])
    times.write_text("5.0\n")
    if where == ".":
        with pytest.raises(LayoutError, match="1 times for 2 clouds, need one for each"):
            read(tmp_path / where)
    else:  # it may be of something else
        assert len(read(tmp_path / where)) == 2
    times.write_text("5.0\nnan\n")
    with pytest.raises(LayoutError, match="not finite"):
        read(tmp_path / where)


def test_scans_that_were_written_down_at_one_moment_are_of_one_walk(tmp_path: Path) -> None:
    scene = Scene((Figure(6.0, -3.0, 0.12),), SCANS)
    scene.seconds[9::10] = [*scene.seconds[10::10], scene.seconds[-1]]
    scene.seconds[25] = scene.seconds[24] - 0.005
    (clip,) = capture(scene, tmp_path / "out")["clips"]
    assert clip["frames"] == SCANS


def test_nobody_is_followed_over_a_pause_of_the_recording(tmp_path: Path) -> None:
    """Somebody walks off, and after the pause somebody else walks on just there."""
    scene = Scene((Figure(6.0, -3.0, 0.12),), SCANS)
    scene.seconds[25:] = [each + 2 for each in scene.seconds[25:]]
    found = capture(scene, tmp_path / "out")["clips"]
    assert [(clip["first_frame"], clip["last_frame"]) for clip in found] == [(0, 24), (25, 49)]
    assert found[0]["track"] != found[1]["track"]


def test_nuscenes_by_the_times_in_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps" / "LIDAR_TOP"
    clouds = write_bins(folder, name="n015__LIDAR_TOP__153240292764795{}.pcd.bin")
    scans = read(tmp_path)
    assert len(scans) == 3
    assert np.array_equal(scans[0].points, clouds[0])
    assert scans[1].seconds == pytest.approx(1e-6, abs=1e-9)


def test_a_damaged_cloud_is_left_out_and_only_damaged_ones_are_named(tmp_path: Path) -> None:
    write_bins(tmp_path / "some")
    (tmp_path / "some" / "000001.bin").write_bytes(b"123")
    assert [each.index for each in read(tmp_path / "some")] == [0, 2]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "0.pcd").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="no cloud"):
        read(tmp_path / "none")


def test_what_is_no_recording(tmp_path: Path) -> None:
    assert open_lidar(tmp_path, LidarFormat()) is None
    assert open_lidar(tmp_path / "video.mp4", LidarFormat()) is None
    (tmp_path / "one.pcd").write_bytes(b"x")
    with pytest.raises(UnsupportedFormatError, match="single cloud"):
        open_lidar(tmp_path / "one.pcd", LidarFormat())


STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE1 = get_typestore(Stores.ROS1_NOETIC)


def message(points: np.ndarray, store: Any) -> Any:
    """A PointCloud2 with a gap between its fields, as drivers write it."""
    types = store.types
    field = types["sensor_msgs/msg/PointField"]
    padded = np.zeros((len(points), 8), "<f4")
    padded[:, :3] = points
    stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    extra = {"seq": 0} if store is STORE1 else {}
    return types["sensor_msgs/msg/PointCloud2"](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id="lidar", **extra),
        height=1,
        width=len(points),
        fields=[field(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")],
        is_bigendian=False,
        point_step=32,
        row_step=32 * len(points),
        data=padded.view(np.uint8).reshape(-1),
        is_dense=True,
    )


def write_bag2(path: Path, topics: Sequence[str], plugin: StoragePlugin) -> None:
    """A ROS 2 bag with three clouds in each topic."""
    with Writer2(path, version=8, storage_plugin=plugin) as writer:
        for topic in topics:
            kind = "sensor_msgs/msg/PointCloud2"
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for row in range(3):
                data = STORE.serialize_cdr(message(cloud(TWO, row), STORE), kind)
                writer.write(connection, (5 + row) * 100_000_000, data)


@pytest.mark.parametrize("plugin", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_ros2_bags_and_mcap(tmp_path: Path, plugin: StoragePlugin) -> None:
    write_bag2(tmp_path / "bag", ["/points"], plugin)
    scans = read(tmp_path / "bag")
    assert np.allclose([each.seconds for each in scans], [0, 0.1, 0.2])
    assert np.array_equal(scans[2].points, cloud(TWO, 2))
    (inner,) = [p for p in (tmp_path / "bag").iterdir() if p.suffix in (".mcap", ".db3")]
    if plugin is StoragePlugin.MCAP:
        assert len(read(inner)) == 3


def test_a_topic_must_be_chosen_among_several(tmp_path: Path) -> None:
    write_bag2(tmp_path / "bag", ["/front", "/rear"], StoragePlugin.MCAP)
    with pytest.raises(ConfigError, match="/front /rear"):
        read(tmp_path / "bag")
    assert len(read(tmp_path / "bag", topic="/rear")) == 3


def test_a_bag_without_clouds_and_one_without_messages(tmp_path: Path) -> None:
    write_bag2(tmp_path / "bag", [], StoragePlugin.MCAP)
    with pytest.raises(LayoutError, match="no topic of point clouds"):
        read(tmp_path / "bag")


def test_a_bag_whose_clouds_are_empty_is_read(tmp_path: Path) -> None:
    kind = "sensor_msgs/msg/PointCloud2"
    with Writer2(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/points", kind, typestore=STORE)
        empty = STORE.serialize_cdr(message(np.zeros((0, 3), np.float32), STORE), kind)
        writer.write(connection, 1, empty)
    assert [len(each.points) for each in read(tmp_path / "bag")] == [0]


def test_ros1_bags_also_when_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "walk.bag"
    kind = "sensor_msgs/msg/PointCloud2"
    with Writer1(path) as writer:
        connection = writer.add_connection("/points", kind, typestore=STORE1)
        for row in range(3):
            data = STORE1.serialize_ros1(message(cloud(TWO, row), STORE1), kind)
            writer.write(connection, (5 + row) * 100_000_000, data)
    assert np.array_equal(read(path)[1].points, cloud(TWO, 1))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CorruptFileError, match=r"walk\.bag"):
        read(path)


def broken(what: str) -> Any:
    """A message whose header promises what its bytes do not hold, or what no array can be."""
    made = message(cloud(TWO, 0), STORE)
    if what == "fewer bytes":
        made.data = made.data[:-5]
    elif what == "a point ends before its last field":
        made.point_step = 8
    else:
        made.fields = made.fields[:2]
    return made


@pytest.mark.parametrize("plugin", [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
@pytest.mark.parametrize("what", ["fewer bytes", "a point ends before its last field", "no z"])
def test_a_damaged_message_is_left_out(tmp_path: Path, plugin: StoragePlugin, what: str) -> None:
    kind = "sensor_msgs/msg/PointCloud2"
    for name, whole in (("some", (0, 2)), ("none", ())):
        with Writer2(tmp_path / name, version=8, storage_plugin=plugin) as writer:
            connection = writer.add_connection("/points", kind, typestore=STORE)
            for row in range(3):
                made = message(cloud(TWO, row), STORE) if row in whole else broken(what)
                writer.write(connection, row * 100_000_000, STORE.serialize_cdr(made, kind))
    assert [(each.index, each.seconds) for each in read(tmp_path / "some")] == [(0, 0), (2, 0.2)]
    with pytest.raises(CorruptFileError):
        read(tmp_path / "none")


def test_a_damaged_bag_is_named_whatever_its_reader_makes_of_it(tmp_path: Path) -> None:
    path = tmp_path / "walk.bag"
    kind = "sensor_msgs/msg/PointCloud2"
    writer = Writer1(path)
    writer.set_compression(Writer1.CompressionFormat.LZ4)
    with writer:
        connection = writer.add_connection("/points", kind, typestore=STORE1)
        data = STORE1.serialize_ros1(message(cloud(TWO, 0)[:40], STORE1), kind)
        writer.write(connection, 0, data)
    whole, chance = path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(150):
        bent = np.frombuffer(whole, np.uint8).copy()
        bent[chance.integers(0, len(bent), 3)] = chance.integers(0, 256, 3)
        path.write_bytes(bent.tobytes())
        try:
            read(path)
        except (CorruptFileError, LayoutError):
            refused += 1
    assert refused > 50


def vlp16_pcap(turns: float) -> bytes:
    """Packets of a VLP-16 that turns, all returns at 8 metres."""
    out = [np.array([0xA1B2C3D4], "<u4").tobytes() + np.array([2, 4], "<u2").tobytes()
           + np.array([0, 0, 65535, 1], "<u4").tobytes()]  # fmt: skip
    azimuth = 0.0
    for packet in range(round(turns * 75)):
        body = b""
        for _ in range(12):
            returns = np.zeros(32, [("distance", "<u2"), ("intensity", "u1")])
            returns["distance"], returns["intensity"] = 4000, 50
            body += b"\xff\xee" + np.array([int(azimuth) % 36000], "<u2").tobytes()
            body += returns.tobytes()
            azimuth += 40
        micro = packet * 1327
        body += np.array([micro], "<u4").tobytes() + b"\x37\x22"
        udp = b"\x09\x40\x09\x40" + (len(body) + 8).to_bytes(2, "big") + b"\0\0"
        ip = b"\x45\0" + (len(body) + 28).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0"
        ip += bytes([192, 168, 1, 201, 255, 255, 255, 255])
        frame = b"\xff" * 6 + b"\x60\x76\x88\0\0\0" + b"\x08\0" + ip + udp + body
        head = np.array([micro // 1_000_000, micro % 1_000_000, len(frame), len(frame)], "<u4")
        out.append(head.tobytes() + frame)
    return b"".join(out)


def test_a_velodyne_pcap_gives_its_whole_turns(tmp_path: Path) -> None:
    path = tmp_path / "walk.pcap"
    path.write_bytes(vlp16_pcap(4.2))
    scans = read(path, model="VLP16")
    assert len(scans) >= 3
    assert np.allclose(np.linalg.norm(scans[1].points, axis=1), 8.0, atol=0.05)
    assert scans[2].seconds - scans[1].seconds == pytest.approx(0.1, abs=0.01)


BEAMS, COLUMNS = 4, 64
LEGACY, RNG19 = "LEGACY", "RNG19_RFL8_SIG16_NIR16"


def ouster_metadata(profile: str) -> dict[str, Any]:
    """Of an old firmware for the oldest profile, else of a new one."""
    beams = {
        "beam_altitude_angles": [10.0, 5.0, 0.0, -5.0],
        "beam_azimuth_angles": [3.0, 1.0, -1.0, -3.0],
        "lidar_origin_to_beam_origin_mm": 15.0,
    }
    form = {"columns_per_frame": COLUMNS, "columns_per_packet": 16, "pixels_per_column": BEAMS}
    if profile == LEGACY:
        return {**beams, "data_format": form}
    return {"beam_intrinsics": beams, "lidar_data_format": form | {"udp_profile_lidar": profile}}


def ouster_packets(profile: str, turns: int) -> list[bytes]:
    """Packets of a sensor that measures 8 m everywhere, but nothing by its last beam."""
    packets = []
    for turn in range(turns):
        for begin in range(0, COLUMNS, 16):
            body = b""
            for column in range(begin, begin + 16):
                time = 10**9 + (turn * COLUMNS + column) * 1_562_500
                head = struct.pack("<QH", time, column)
                head += struct.pack("<HI", turn, 0) if profile == LEGACY else b"\x01\0"
                pixels = b"".join(struct.pack("<I8x", 8000 * (beam < 3)) for beam in range(BEAMS))
                body += head + pixels + (b"\xff\xff\xff\xff" if profile == LEGACY else b"")
            if profile != LEGACY:
                body = struct.pack("<HH28x", 1, turn) + body + bytes(32)
            packets.append(body)
    return packets


def pcap_of(payloads: Sequence[bytes], most: int = 1480) -> bytes:
    """A pcap of UDP packets, cut into pieces of the network's size, which come in reverse."""
    out = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for number, payload in enumerate(payloads):
        datagram = struct.pack(">HHHH", 7502, 7502, len(payload) + 8, 0) + payload
        starts = range(0, len(datagram), most)
        for at in reversed(starts):
            part = datagram[at : at + most]
            more = (at + most < len(datagram)) << 13 | at // 8
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, len(part) + 20, number, more, 64, 17, 0,
                             b"\xa9\xfe\0\1", b"\xa9\xfe\0\2")  # fmt: skip
            frame = bytes(12) + b"\x08\0" + ip + part
            out.append(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return b"".join(out)


@pytest.mark.parametrize(("profile", "most"), [(LEGACY, 1480), (RNG19, 480), (RNG19, 1480)])
def test_an_ouster_pcap_gives_its_whole_turns(tmp_path: Path, profile: str, most: int) -> None:
    path = tmp_path / "walk.pcap"
    packets = ouster_packets(profile, 3)
    path.write_bytes(pcap_of([b"imu" * 16, *packets[3:], packets[0]], most))
    path.with_suffix(".json").write_text(json.dumps(ouster_metadata(profile)))
    scans = read(path)
    assert [len(each.points) for each in scans] == [COLUMNS * 3] * 2  # a quarter turn is none
    assert scans[1].seconds == pytest.approx(0.1)
    wanted = []
    for column in range(COLUMNS):
        encoder = 2 * np.pi * (1 - column / COLUMNS)
        for azimuth, altitude in ((3, 10), (1, 5), (-1, 0)):
            turn, up = encoder - np.radians(azimuth), np.radians(altitude)
            level = (8 - 0.015) * np.cos(up)
            at = level * np.array([np.cos(turn), np.sin(turn)])
            at += 0.015 * np.array([np.cos(encoder), np.sin(encoder)])
            wanted.append([*at, (8 - 0.015) * np.sin(up)])
    assert np.allclose(scans[0].points, wanted, atol=1e-5)


def test_what_an_ouster_needs_is_said(tmp_path: Path) -> None:
    path, metadata = tmp_path / "walk.pcap", tmp_path / "walk.json"
    path.write_bytes(pcap_of(ouster_packets(RNG19, 2)))
    with pytest.raises(LayoutError, match="--metadata"):
        read(path, metadata=tmp_path / "none.json")
    metadata.write_text(json.dumps(ouster_metadata("RNG15_RFL8_WIN8")))
    with pytest.raises(UnsupportedFormatError, match="RNG15_RFL8_WIN8, need one of LEGACY"):
        read(path)
    metadata.write_text(json.dumps(ouster_metadata(LEGACY)))  # of another sensor
    with pytest.raises(CorruptFileError, match="no whole turn of the Ouster"):
        read(path)
    form = ouster_metadata(RNG19)["lidar_data_format"]
    whole = ouster_metadata(RNG19)
    odd = [{"beam_intrinsics": {**whole["beam_intrinsics"], "beam_altitude_angles": 3}}]
    odd += [{"lidar_data_format": {**form, "columns_per_frame": count}} for count in (0, -1)]
    texts = [json.dumps(whole | each) for each in odd]
    for text in ("[1]", "{", "{}", '{"data_format": {"columns_per_frame": 3}}', *texts):
        metadata.write_text(text)
        with pytest.raises(LayoutError, match=r"walk\.json is no"):
            read(path)
    metadata.write_text(json.dumps(ouster_metadata(RNG19)))
    path.write_bytes(path.read_bytes()[:-300])
    assert len(read(path)) == 2  # what came before the cut
    path.write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match=r"walk\.pcap is no pcap"):
        read(path)
    with pytest.raises(UnsupportedFormatError, match="ouster-cli"):
        read(tmp_path / "walk.osf")


def test_pcap_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(vlp16_pcap(0)[:24])
    with pytest.raises(CorruptFileError, match=r"odd\.pcap"):
        read(path)
    path.write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match=r"odd\.pcap"):
        read(path)
    with pytest.raises(ConfigError, match="VLP16"):
        read(path, model="OS1")
