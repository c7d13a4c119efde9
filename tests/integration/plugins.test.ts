/** Replays recorded answers that need a host, against lab hosts. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execa } from "execa";
import { inHost } from "../../lab/hosts.ts";
import { addressOf, registryOf } from "../../lab/settings.ts";
import { installStandIn } from "../../tools/engine/plugins.ts";
import { Coverage } from "../conformance/coverage.ts";
import { PluginClient } from "../conformance/plugin-client.ts";
import { judge, load, Placeholders, type Recorded } from "../conformance/recorded-case.ts";
import { needsLab } from "../support/needs-lab.ts";
import { bringUp, PLUGIN_LAB, takeDown } from "../support/test-lab.ts";

/** The recorded `gw` and `obs`. */
const GW = "gateway";
const OBS = "observability";
const SSH_CONFIG = join(PLUGIN_LAB.dir, "ssh_config.shared");

/** What somebody did to the host before a case, as its name tells. */
const BEHIND_ITS_BACK: Record<string, string> = {
  "delete: in use by a running container": "docker run -d --name h5user --network h5n ha:lab sleep 600",
  "delete: in use by a container": "docker run -d --name h5user -v h5v:/v ha:lab sleep 600",
  "delete: there": "docker rm -f h5user >/dev/null 2>&1 || true",
};

needsLab("the stand-ins on hosts answer as the real plugins did", () => {
  const coverage = new Coverage();
  const placeholders = new Map<string, Placeholders>();
  let home: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "ai-backend-plugins-"));
    await takeDown(PLUGIN_LAB);
    await bringUp(PLUGIN_LAB);
    // One shared connection: every call of the Docker API is an ssh of its own otherwise.
    const shared = `Host *\n  ControlMaster auto\n  ControlPath ${PLUGIN_LAB.dir}/mux-%C\n  ControlPersist 20\nInclude ${PLUGIN_LAB.dir}/ssh_config\n`;
    await writeFile(SSH_CONFIG, shared, { mode: 0o600 });
    for (const [name, args] of [
      ["other", []],
      ["encrypted", ["-p"]],
    ] as const) {
      await execa("ssh-keygen", [
        "-q",
        "-t",
        "ed25519",
        "-N",
        args.length > 0 ? "passphrase" : "",
        "-f",
        join(home, name),
      ]);
    }
    const hostKey = async (host: string) =>
      (await inHost(PLUGIN_LAB, host, "cat /etc/ssh/ssh_host_ed25519_key.pub")).split(" ").slice(0, 2).join(" ");
    const bound: Record<string, string> = {
      "<host:gw>": addressOf(PLUGIN_LAB, GW),
      "<host:obs>": addressOf(PLUGIN_LAB, OBS),
      "<host:absent>": `${PLUGIN_LAB.net}.250`,
      "<host-key:gw>": await hostKey(GW),
      "<host-key:obs>": await hostKey(OBS),
      "<ssh-private-key>": await readFile(join(PLUGIN_LAB.dir, "id_ed25519"), "utf8"),
      "<other-ssh-private-key>": await readFile(join(home, "other"), "utf8"),
      "<other-ssh-public-key>": (await readFile(join(home, "other.pub"), "utf8")).split(" ").slice(0, 2).join(" "),
      "<encrypted-ssh-private-key>": await readFile(join(home, "encrypted"), "utf8"),
      "<ssh-config>": SSH_CONFIG,
      "<registry>": registryOf(PLUGIN_LAB),
    };
    for (const file of [
      "command-remote-Command",
      "docker-provider",
      "docker-Container",
      "docker-Network",
      "docker-Volume",
      "docker-RemoteImage",
    ]) {
      const one = new Placeholders();
      for (const [placeholder, value] of Object.entries(bound)) one.bind(placeholder, value);
      placeholders.set(file, one);
    }
    await inHost(
      PLUGIN_LAB,
      GW,
      "mkdir -p /opt/h5 /run/sshd; /usr/sbin/sshd -p 2200 -o 'AcceptEnv=*' -o PidFile=/run/sshd-2200.pid",
    );
    const registry = registryOf(PLUGIN_LAB);
    await inHost(
      PLUGIN_LAB,
      OBS,
      `mkdir -p /opt/h5m
      docker pull -q ${registry}/docker.io/library/redis:7.0.15
      id=$(docker create ${registry}/docker.io/library/redis:7.0.15 true); docker export $id | docker import - ha:lab; docker rm $id
      docker tag ha:lab ha:copy; docker tag ha:lab ha:copy2
      docker tag ha:lab ${registry}/tiny:1; docker push -q ${registry}/tiny:1
      id=$(docker create ha:lab true); docker export $id | docker import --message two - ${registry}/tiny:2; docker rm $id
      docker push -q ${registry}/tiny:2; docker rmi ${registry}/tiny:2
      docker network create h5net; docker network create h5net2
      docker create --name h5taken ha:lab true
      docker run -d --name h5port -p 127.0.0.1:8099:80 ha:lab sleep 3600`,
    );
  }, 120_000);
  afterAll(async () => {
    await takeDown(PLUGIN_LAB);
    await rm(home, { recursive: true, force: true });
    process.stderr.write(`${coverage.report("stand-ins, on hosts")}\n`);
  }, 60_000);

  function replay(
    file: string,
    client: () => PluginClient,
    cases: Recorded[],
    leftOut: (recorded: Recorded) => string | undefined,
  ): void {
    describe(file, () => {
      for (const recorded of cases) {
        const name = `${file}: ${recorded.method} ${recorded.name}`;
        const why = leftOut(recorded);
        if (why) {
          coverage.left(why, name);
          continue;
        }
        test(`${recorded.method}: ${recorded.name}`, async () => {
          const mine = placeholders.get(file) as Placeholders;
          const before = /Network|Volume/.test(file) ? BEHIND_ITS_BACK[recorded.name] : undefined;
          if (before) await inHost(PLUGIN_LAB, OBS, before);
          const answer = await client().call({ ...recorded, request: mine.fill(recorded.request) });
          expect(judge(recorded, answer, mine)).toBeUndefined();
          coverage.replayed(name);
        });
      }
    });
  }

  describe("command", () => {
    let client: PluginClient;
    beforeAll(async () => {
      client = await PluginClient.start(await installStandIn("command", home), "command");
    });
    afterAll(() => client.stop());
    const { cases } = load("command-remote-Command");
    replay(
      "command-remote-Command",
      () => client,
      cases.filter(({ needs }) => needs === "ssh"),
      () => undefined,
    );
  });

  describe("docker", () => {
    let client: PluginClient;
    beforeAll(async () => {
      client = await PluginClient.start(await installStandIn("docker", home), "docker");
      const args = {
        host: `ssh://root@${addressOf(PLUGIN_LAB, OBS)}`,
        sshOpts: JSON.stringify(["-F", SSH_CONFIG]),
        version: "5.2.0",
      };
      await client.call({ name: "configure", method: "Configure", needs: "docker", request: { args } });
    });
    afterAll(() => client.stop());
    const onHosts = (file: string) => load(file).cases.filter(({ needs }) => needs === "docker");
    const needsHands = (recorded: Recorded) =>
      /behind its back|stopped container|import|removed behind/.test(recorded.name)
        ? "depending on what was done to the host by hand in between"
        : undefined;
    const needsInternet = (recorded: Recorded) =>
      /default registry|image missing$|nothing" not found|driver missing/.test(recorded.name)
        ? "asking the internet"
        : undefined;
    const ofThatHost = (recorded: Recorded) =>
      /networkMode host|port without external/.test(recorded.name)
        ? "carrying a name or port of the recorded host"
        : undefined;
    for (const file of ["docker-Network", "docker-Volume", "docker-RemoteImage", "docker-Container"]) {
      replay(
        file,
        () => client,
        onHosts(file),
        (recorded) => needsHands(recorded) ?? needsInternet(recorded) ?? ofThatHost(recorded),
      );
    }
  });
});
