//! Every volume command of the `openstack` client on a simulated cloud; which there are is read from the client.

mod absent;
mod attachments;
mod copies;
mod groups;
mod operator;
mod types;
mod volumes;

use crate::client::every_command;
use crate::manage;

#[test]
fn every_volume_command_works() {
    every_command("every_volume_command_works", "openstack.volume.v3", |client, (cloud, openstack)| {
        client.as_admin(types::of_volumes);
        types::access(client);
        types::encryption(client);
        client.as_admin(types::qos);
        volumes::life(client);
        volumes::change(client);
        volumes::refused(client);
        volumes::states(client);
        copies::snapshots(client);
        copies::transfers(client);
        copies::backups(client);
        copies::restores(client);
        copies::records(client, (cloud, openstack));
        groups::types(client);
        groups::groups(client);
        groups::snapshots(client);
        client.as_admin(|admin| groups::consistency(admin, (cloud, openstack)));
        attachments::by_client(client, cloud.folder());
        attachments::of_server(client);
        operator::messages(client);
        client.as_admin(|admin| {
            operator::services(admin);
            operator::logs(admin);
            operator::cleanup(admin);
            operator::storage(admin);
            operator::filters(admin);
            manage::go_and_come_back(admin);
            absent::all(admin);
        });
    });
}
