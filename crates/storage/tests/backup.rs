//! Backups are restored to what was backed up, or not at all.

use std::path::Path;

use storage::backup::{self, read_manifest};
use storage::copy::Progress;
use storage::disk::{Access, OpenDisk};
use storage::file::FileVolumes;
use storage::objects::{Directory, Objects, S3, S3Config};
use storage::{Error, NewVolume, Source, VolumeBackend};
use types::{BackupId, VolumeId};

use crate::{TempDir, file_config, tool};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 40 * MIB + 512;

struct World {
    dir: TempDir,
    volumes: FileVolumes,
}

fn world(test: &str) -> Option<World> {
    tool(test, "qemu-nbd", &["--version"]).and(tool(test, "setpriv", &["--version"]))?;
    let dir = TempDir::new();
    let volumes = FileVolumes::open(&file_config(&dir)).unwrap();
    Some(World { dir, volumes })
}

impl World {
    fn disk(&self, size_bytes: u64) -> OpenDisk {
        let id = VolumeId(runtime::new_uuid());
        self.volumes
            .ensure_volume(&NewVolume { id, size_bytes, source: Source::Blank, multiattach: false })
            .unwrap();
        OpenDisk::open(&self.volumes.blockdev(id).unwrap(), Access::Write, self.dir.path()).unwrap()
    }

    fn directory(&self) -> Directory {
        Directory::open(&self.dir.path().join("backups")).unwrap()
    }
}

fn write(disk: &mut OpenDisk, parent: Option<BackupId>, objects: &dyn Objects) -> (BackupId, backup::Stored) {
    let id = BackupId(runtime::new_uuid());
    let stored = backup::write(disk, (id, parent), objects, &Progress::default()).unwrap();
    (id, stored)
}

/// A disk's content after a restore over rubbish.
fn restored(world: &World, id: BackupId, objects: &dyn Objects, size_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut disk = world.disk(size_bytes);
    disk.write_at(0, &vec![0xaa; size_bytes as usize]).unwrap();
    backup::restore(id, &mut disk, objects, &Progress::default())?;
    Ok(content(&mut disk))
}

fn content(disk: &mut OpenDisk) -> Vec<u8> {
    let mut bytes = vec![0; disk.size_bytes() as usize];
    disk.read_at(0, &mut bytes).unwrap();
    bytes
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    runtime::fill_random(&mut bytes);
    bytes
}

/// The whole life of a chain of backups, wherever they are kept.
pub fn a_chain_of_backups_lives_and_dies(objects: &dyn Objects, test: &str) {
    let Some(world) = world(test) else { return };
    let mut disk = world.disk(SIZE);
    disk.write_at(3 * MIB + 5, &noise(MIB as usize)).unwrap();
    disk.write_at(SIZE - 700, &noise(700)).unwrap();
    let first = content(&mut disk);
    let (full, stored) = write(&mut disk, None, objects);
    assert_eq!((stored.objects, stored.disk_bytes), (2, SIZE));

    disk.write_at(20 * MIB, &noise(4096)).unwrap();
    disk.write_zeroes(3 * MIB, MIB).unwrap();
    let second = content(&mut disk);
    let (middle, stored) = write(&mut disk, Some(full), objects);
    assert!(stored.bytes < 100_000, "only what changed is stored, not {} bytes", stored.bytes);

    disk.write_at(0, &noise(512)).unwrap();
    let third = content(&mut disk);
    let (last, _) = write(&mut disk, Some(middle), objects);
    // Nothing changed: nothing but a manifest.
    let (same, stored) = write(&mut disk, Some(last), objects);
    assert_eq!(stored.objects, 1);
    assert_eq!(read_manifest(same, objects).unwrap().backups, [same, last, middle, full]);
    let found = backup::check(same, objects).unwrap();
    assert_eq!((found.objects, found.disk_bytes), (1, SIZE));

    for (id, expected) in [(full, &first), (middle, &second), (last, &third), (same, &third)] {
        assert!(restored(&world, id, objects, SIZE).unwrap() == *expected, "backup {id}");
    }
    let larger = restored(&world, last, objects, SIZE + MIB).unwrap();
    assert!(larger[..SIZE as usize] == third && larger[SIZE as usize..].iter().all(|byte| *byte == 0));
    let small = restored(&world, last, objects, SIZE - 512).unwrap_err();
    assert!(matches!(small, Error::TooSmall { needed: SIZE, .. }), "{small}");

    for id in [same, last] {
        backup::remove(id, objects).unwrap();
        backup::remove(id, objects).unwrap();
        assert_eq!(objects.list(&id.to_string()).unwrap(), Vec::<String>::new());
    }
    assert!(restored(&world, middle, objects, SIZE).unwrap() == second);
    assert!(matches!(restored(&world, last, objects, SIZE), Err(Error::NoBackup(id)) if id == last));
    backup::remove(middle, objects).unwrap();
    backup::remove(full, objects).unwrap();
}

#[test]
fn a_chain_of_backups_in_a_directory() {
    let Some(world) = world("a_chain_of_backups_in_a_directory") else { return };
    a_chain_of_backups_lives_and_dies(&world.directory(), "a_chain_of_backups_in_a_directory");
    assert_eq!(std::fs::read_dir(world.dir.path().join("backups")).unwrap().count(), 0);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let Some(world) = world("a_damaged_backup_is_not_restored") else { return };
    let objects = world.directory();
    let mut disk = world.disk(SIZE);
    disk.write_at(0, &noise(MIB as usize)).unwrap();
    let (id, _) = write(&mut disk, None, &objects);
    let object: &Path = &world.dir.path().join("backups").join(format!("{id}/00000000"));
    let whole = std::fs::read(object).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [Some(flipped), Some(whole[..100].to_vec()), None] {
        match bad {
            Some(bytes) => std::fs::write(object, bytes).unwrap(),
            None => std::fs::remove_file(object).unwrap(),
        }
        let error = restored(&world, id, &objects, SIZE).unwrap_err();
        assert!(matches!(error, Error::DamagedBackup { backup, .. } if backup == id), "{error}");
    }
    let missing = backup::check(id, &objects).unwrap_err();
    assert!(matches!(missing, Error::DamagedBackup { backup, .. } if backup == id), "{missing}");
    std::fs::write(object.with_file_name("manifest"), "rubbish").unwrap();
    assert!(restored(&world, id, &objects, SIZE).is_err());
}

#[test]
fn an_interrupted_backup_is_none_and_leaves_nothing_once_it_is_made_again() {
    let test = "an_interrupted_backup_is_none_and_leaves_nothing_once_it_is_made_again";
    let Some(world) = world(test) else { return };
    let objects = world.directory();
    let mut disk = world.disk(SIZE);
    disk.write_at(0, &noise(MIB as usize)).unwrap();
    let id = BackupId(runtime::new_uuid());
    for number in 0..3 {
        objects.put(&format!("{id}/{number:08}"), b"half").unwrap();
    }
    assert!(matches!(read_manifest(id, &objects), Err(Error::NoBackup(_))));
    let stopped = Progress::default();
    stopped.stop();
    assert!(matches!(backup::write(&mut disk, (id, None), &objects, &stopped), Err(Error::Stopped)));
    backup::write(&mut disk, (id, None), &objects, &Progress::default()).unwrap();
    let kept = objects.list(&id.to_string()).unwrap();
    assert_eq!(kept, [format!("{id}/00000000"), format!("{id}/manifest")]);
}

/// The S3 server of moto, which `xtask test` installs: its program is in `CUTTLE_S3_SERVER`. It checks signatures.
struct S3Server {
    process: std::process::Child,
    endpoint: String,
}

impl S3Server {
    fn start(test: &str) -> Option<S3Server> {
        let Some(program) = std::env::var_os("CUTTLE_S3_SERVER") else {
            println!("skipped: {test}: there is no S3 server; cargo xtask test installs one");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = std::process::Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let began = runtime::monotonic();
        while ureq::get(&endpoint).call().is_err() {
            assert!(began.elapsed().as_secs() < 60, "the S3 server does not start");
            runtime::sleep_blocking(std::time::Duration::from_millis(20));
        }
        Some(S3Server { process, endpoint })
    }

    /// Asks the server's IAM, which believes everybody as yet.
    fn iam(&self, form: &str) -> String {
        let scope = "AWS4-HMAC-SHA256 Credential=x/20300101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
        let asked = ureq::post(&self.endpoint)
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .send(&format!("Version=2010-05-08&UserName=cuttle&{form}"));
        asked.unwrap().body_mut().read_to_string().unwrap()
    }

    /// A bucket for one user, whom the server knows by his signature from now on; nobody else may do anything.
    fn bucket(&self) -> S3Config {
        self.iam("Action=CreateUser");
        let all = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%2C%22Version%22%3A%222012-10-17%22%7D";
        self.iam(&format!("Action=PutUserPolicy&PolicyName=all&PolicyDocument={all}"));
        let key = self.iam("Action=CreateAccessKey");
        let element = |name: &str| {
            let (_, rest) = key.split_once(&format!("<{name}>")).unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        let bucket = "backups".to_owned();
        ureq::put(format!("{}/{bucket}", self.endpoint)).send("").unwrap();
        let reset = ureq::post(format!("{}/moto-api/reset-auth", self.endpoint));
        reset.header("content-type", "text/plain").send("0").unwrap();
        S3Config {
            endpoint: self.endpoint.clone(),
            region: "us-east-1".to_owned(),
            bucket,
            access_key: element("AccessKeyId"),
            secret_key: element("SecretAccessKey"),
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_chain_of_backups_behind_s3() {
    let test = "a_chain_of_backups_behind_s3";
    let Some(server) = S3Server::start(test) else { return };
    let config = server.bucket();
    let forged = S3::open(S3Config { secret_key: "guessed".to_owned(), ..config.clone() }).unwrap();
    let refused = forged.put("many/none", b"x").unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    let objects = S3::open(config).unwrap();
    a_chain_of_backups_lives_and_dies(&objects, test);
    for number in 0..1100 {
        objects.put(&format!("many/{number:08}"), b"x").unwrap();
    }
    let names = objects.list("many").unwrap();
    assert_eq!((names.len(), names[1099].as_str()), (1100, "many/00001099"), "more than a page");
    assert_eq!(objects.read("many/none").unwrap(), None);
    drop(server);
    let error = objects.read("many/00000000").unwrap_err();
    assert!(error.to_string().contains("GET http://127.0.0.1:"), "{error}");
}
