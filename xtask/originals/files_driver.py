"""A driver of Cinder's whose volumes are sparse files below the service's folder: all that an API needs of one."""

import os
import shutil

from cinder import exception
from cinder.image import image_utils
from cinder.volume import driver, volume_utils
from oslo_config import cfg


class Files(driver.VolumeDriver):
    """Volumes, snapshots and clones are files; a connection leads to one on this machine."""

    VERSION = "1.0"

    def check_for_setup_error(self):
        pass

    def local_path(self, volume, vg=None):
        return os.path.join(cfg.CONF.state_path, "volumes", volume["name"])

    def _grow(self, path, gib):
        with open(path, "ab") as file:
            file.truncate(gib << 30)

    def _copy(self, source, target):
        # The files are holes but for what a test writes.
        with open(source, "rb") as old, open(target, "wb") as new:
            new.truncate(os.fstat(old.fileno()).st_size)

    def create_volume(self, volume):
        self._grow(self.local_path(volume), volume["size"])

    def delete_volume(self, volume):
        if os.path.exists(self.local_path(volume)):
            os.remove(self.local_path(volume))

    def create_snapshot(self, snapshot):
        self._copy(self.local_path(snapshot["volume"]), self.local_path(snapshot))

    def delete_snapshot(self, snapshot):
        self.delete_volume(snapshot)

    def create_cloned_volume(self, volume, source):
        self._copy(self.local_path(source), self.local_path(volume))
        self._grow(self.local_path(volume), volume["size"])

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(self.local_path(snapshot), self.local_path(volume))
        self._grow(self.local_path(volume), volume["size"])

    def revert_to_snapshot(self, context, volume, snapshot):
        self._copy(self.local_path(snapshot), self.local_path(volume))

    def extend_volume(self, volume, gib):
        self._grow(self.local_path(volume), gib)

    def clone_image(self, context, volume, location, meta, service):
        return None, False

    def copy_image_to_volume(self, context, volume, service, image_id, disable_sparse=False):
        image_utils.fetch_to_raw(context, service, image_id, self.local_path(volume), 4096, size=volume["size"])

    def copy_volume_to_image(self, context, volume, service, meta):
        volume_utils.upload_volume(context, service, meta, self.local_path(volume), volume)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def terminate_connection(self, volume, connector, **_):
        pass

    def initialize_connection(self, volume, connector):
        return {"driver_volume_type": "local", "data": {"device_path": self.local_path(volume)}}

    def retype(self, context, volume, new_type, diff, host):
        return True

    def migrate_volume(self, context, volume, host):
        return False, None

    def _manageable(self, wanted):
        path = os.path.join(cfg.CONF.state_path, "volumes", str(wanted.get("source-name")))
        if "source-name" not in wanted:
            raise exception.ManageExistingInvalidReference(
                existing_ref=wanted, reason="Reference must contain source-name element.")
        if not os.path.isfile(path):
            raise exception.ManageExistingInvalidReference(
                existing_ref=wanted, reason="Specified logical volume does not exist.")
        return path

    def manage_existing(self, volume, wanted):
        shutil.move(self._manageable(wanted), self.local_path(volume))

    def manage_existing_get_size(self, volume, wanted):
        return os.path.getsize(self._manageable(wanted)) >> 30

    def unmanage(self, volume):
        pass

    def get_manageable_volumes(self, known, marker, limit, offset, sort_keys, sort_dirs):
        names = {volume["name"]: volume["id"] for volume in known}
        found = []
        for name in sorted(os.listdir(os.path.join(cfg.CONF.state_path, "volumes"))):
            if name.startswith("snapshot-"):
                continue
            path = os.path.join(cfg.CONF.state_path, "volumes", name)
            is_known = name in names
            found.append({
                "reference": {"source-name": name}, "size": os.path.getsize(path) >> 30,
                "cinder_id": names.get(name), "extra_info": None, "safe_to_manage": not is_known,
                "reason_not_safe": "already managed" if is_known else None,
            })
        return volume_utils.paginate_entries_list(found, marker, limit, offset, sort_keys, sort_dirs)

    def _update_volume_stats(self):
        pool = {
            "pool_name": "file", "total_capacity_gb": 1000, "free_capacity_gb": 1000, "provisioned_capacity_gb": 0,
            "reserved_percentage": 0, "QoS_support": True, "multiattach": True, "consistent_group_snapshot_enabled": True,
            "thin_provisioning_support": True, "max_over_subscription_ratio": "20.0", "location_info": "file",
            "filter_function": self.get_filter_function(), "goodness_function": self.get_goodness_function(),
        }
        self._stats = {
            "volume_backend_name": "file", "vendor_name": "Open Source", "driver_version": self.VERSION,
            "storage_protocol": "file", "pools": [pool],
        }
