"""The manifests are what a cluster takes, and each way of breaking one is seen.

The broken ones are made here from those that are applied, so that none of them gets out of date.
"""

import re

import pytest
import yaml

import manifests
from conftest import KIND, OVERLAYS, documents, rendered, variables, version
from manifests import Pod, matches
from schema import schema_mistakes

# What `secrets.sh` makes; `test_scripts` holds it against this.
SECRETS = {
    "redis-auth": {"password", "users.acl"},
    "api-keys": {"entries"},
    "sender-keys": {"write", "read", "admin"},
    "grafana": {"password"},
}

# An overlay that is applied beside others is looked at with them.
TOGETHER = [["dev"], ["plain"], ["dev", "load"], ["plain", "load"], ["dev", "sweep"]]

GONE = object()


def mistakes(found):
    return manifests.mistakes(
        found, variables=variables(), secrets=SECRETS, version=version()
    )


def all_of(overlays):
    return [it for overlay in overlays for it in documents(overlay)]


@pytest.mark.parametrize("overlays", TOGETHER, ids="+".join)
def test_the_manifests_are_right(overlays):
    assert mistakes(all_of(overlays)) == []


def test_every_overlay_is_looked_at():
    assert {it for overlays in TOGETHER for it in overlays} == set(OVERLAYS)


FUNCTION = "spec.template.spec.containers.0"
ANNOTATIONS = "spec.template.metadata.annotations"
SCALING = f"{ANNOTATIONS}|autoscaling.knative.dev/"
INGEST = ("serving.knative.dev/v1", "Service", "ingest")
EXPORTER = ("apps/v1", "Deployment", "exporter")
REDIS = ("apps/v1", "StatefulSet", "redis")
PROMETHEUS = ("apps/v1", "Deployment", "prometheus")
GRAFANA = ("apps/v1", "Deployment", "grafana")
POLICY = "networking.k8s.io/v1", "NetworkPolicy"
DEPLOYED = ("apps/v1", "Deployment", "ingest")

# Which document, where in it (dots; what follows a bar is one key), what is put there, and what must be said.
BROKEN = {
    # Misspelled, of the wrong type, or in the wrong place.
    "key of a Service": (INGEST, "spec.template.spec.timeoutSecond", 60, "timeoutSecond"),
    "key of a container": (INGEST, f"{FUNCTION}.imag", "x", "imag"),
    "key of a probe": (INGEST, f"{FUNCTION}.readinessProbe.httpGet.paht", "/", "paht"),
    "key of a Deployment": (EXPORTER, "spec.template.spec.containers.0.resource", {}, "resource"),
    "key of a policy": ((*POLICY, "redis"), "spec.ingres", [], "ingres"),
    "type of a value": (EXPORTER, "spec.replicas", "one", "one"),
    "number as a variable": (EXPORTER, f"{FUNCTION}.env.0.value", 8080, "8080"),
    "kind": (EXPORTER, "kind", "Deploiment", "no schema"),
    "annotation": (INGEST, f"{SCALING}max-scales", "3", "max-scales"),
    "domain of an annotation": (INGEST, f"{ANNOTATIONS}|autoscaling.knative.dev.io/metric", "rps", "unknown"),
    "annotation on the Service": (INGEST, "metadata.annotations", {"autoscaling.knative.dev/max-scale": "3"}, "belongs"),
    "label of a pod": (INGEST, "spec.template.metadata.labels|redis-cleint", "true", "redis-cleint"),
    "label of the namespace": (("v1", "Namespace", "tidemark"), "metadata.labels|pod-security.kubernetes.io/enforced", "restricted", "unknown"),
    # What Knative's webhook refuses.
    "more pods at least than at most": (INGEST, f"{SCALING}min-scale", "11", "above max-scale"),
    "more pods at first than at most": (INGEST, f"{SCALING}initial-scale", "11", "above max-scale"),
    "window too short": (INGEST, f"{SCALING}window", "5s", "6s..1h"),
    "window too long": (INGEST, f"{SCALING}window", "61m", "6s..1h"),
    "metric": (INGEST, f"{SCALING}metric", "cpu", "concurrency|rps"),
    "utilization": (INGEST, f"{SCALING}target-utilization-percentage", "101", "target-utilization"),
    "concurrency": (INGEST, "spec.template.spec.containerConcurrency", 1001, "1001"),
    "timeout": (INGEST, "spec.template.spec.timeoutSeconds", 601, "601"),
    "two ports": (INGEST, f"{FUNCTION}.ports", [{"containerPort": 8080}, {"containerPort": 8081}], "exactly one"),
    "name of the port": (INGEST, f"{FUNCTION}.ports.0.name", "http", "http1 nor h2c"),
    "reserved port": (INGEST, f"{FUNCTION}.ports.0.containerPort", 8012, "reserved"),
    "reserved port of metrics": (INGEST, f"{FUNCTION}.ports.0.containerPort", 9090, "reserved"),
    "reserved variable": (INGEST, f"{FUNCTION}.env.0.name", "PORT", "set by Knative"),
    "variable of a field": (INGEST, f"{FUNCTION}.env.0", {"name": "LISTEN_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "fieldRef"),
    "node selector": (INGEST, "spec.template.spec.nodeSelector", {"a": "b"}, "nodeSelector"),
    "affinity": (INGEST, "spec.template.spec.affinity", {}, "affinity"),
    "tolerations": (INGEST, "spec.template.spec.tolerations", [], "tolerations"),
    "security of the pod": (INGEST, "spec.template.spec.securityContext", {}, "securityContext"),
    "init containers": (INGEST, "spec.template.spec.initContainers", [], "initContainers"),
    "disk": (INGEST, "spec.template.spec.volumes.0", {"name": "api-keys", "persistentVolumeClaim": {"claimName": "a"}}, "persistentVolumeClaim"),
    # What every check by a cluster lets pass.
    "probe of another port": (INGEST, f"{FUNCTION}.readinessProbe.httpGet.port", 8081, "asks port 8081"),
    "probe of another port, plain": (DEPLOYED, f"{FUNCTION}.readinessProbe.httpGet.port", "htpp", "asks port htpp"),
    "unknown variable": (INGEST, f"{FUNCTION}.env.1.name", "TIDEMARK_API_KEY_FILE", "read by none"),
    "Secret": (INGEST, "spec.template.spec.volumes.0.secret.secretName", "api-key", "Secret api-key does not exist"),
    "key of a Secret": (INGEST, "spec.template.spec.volumes.0.secret.items.0.key", "entry", "no key entry"),
    "Secret of a variable": (REDIS, f"{FUNCTION}.env.0.valueFrom.secretKeyRef.name", "redis", "Secret redis does not exist"),
    "ConfigMap": (PROMETHEUS, "spec.template.spec.volumes.0.projected.sources.0.configMap.name", "prom", "ConfigMap prom does not exist"),
    "key of a ConfigMap": (PROMETHEUS, "spec.template.spec.volumes.0.projected.sources.1.configMap.items.0.key", "alert.yml", "no key alert.yml"),
    "file of a variable": (INGEST, f"{FUNCTION}.env.1.value", "/var/run/tidemark/keys/entry", "is not in volume"),
    "file in no volume": (INGEST, f"{FUNCTION}.env.1.value", "/etc/entries", "is in no volume"),
    "file of an argument": (PROMETHEUS, f"{FUNCTION}.args.0", "--config.file=/etc/prometheus/prometheus.yaml", "is not in volume"),
    "volume": (INGEST, f"{FUNCTION}.volumeMounts.0.name", "keys", "volume keys"),
    "host of Redis": (INGEST, f"{FUNCTION}.env.2.value", "redis://rediss:6379", "Service rediss does not exist"),
    "port of Redis": (INGEST, f"{FUNCTION}.env.2.value", "redis://redis:6380", "no port 6380"),
    "port of a Service": (("v1", "Service", "exporter"), "spec.ports.0.targetPort", "web", "port web"),
    "selector of a Service": (("v1", "Service", "exporter"), "spec.selector.app", "export", "matches no pod"),
    "selector of a Deployment": (EXPORTER, "spec.selector.matchLabels.app", "export", "does not match its own pods"),
    "selector of a policy": ((*POLICY, "redis"), "spec.podSelector.matchLabels.app", "rediss", "matches no pod"),
    "peer of a policy": ((*POLICY, "redis"), "spec.ingress.0.from.0.podSelector.matchLabels|redis-client", "yes", "matches no pod"),
    "port of a policy": ((*POLICY, "exporter"), "spec.ingress.0.ports.0.port", "htpp", "port htpp"),
    "rule without its type": ((*POLICY, "exporter"), "spec.policyTypes", ["Egress"], "not a type"),
    "budget": (("policy/v1", "PodDisruptionBudget", "ingest"), "spec.selector.matchLabels.app", "ingset", "matches no pod"),
    "newest image": (EXPORTER, f"{FUNCTION}.image", "dev.local/tidemark-analyze:latest", "not of version"),
    "image of another name": (EXPORTER, f"{FUNCTION}.image", "dev.local/tidemark-exporter:" + version(), "made by nobody"),
    "image that is not pinned": (GRAFANA, f"{FUNCTION}.image", "grafana/grafana:latest", "not pinned"),
    "namespace": (EXPORTER, "metadata.namespace", "default", "not in the namespace"),
    # Security.
    "writable root": (INGEST, f"{FUNCTION}.securityContext.readOnlyRootFilesystem", False, "readOnlyRootFilesystem"),
    "root": (EXPORTER, "spec.template.spec.securityContext.runAsUser", 0, "runAsUser"),
    "capabilities": (REDIS, f"{FUNCTION}.securityContext.capabilities", GONE, "capabilities"),
    "system calls": (REDIS, "spec.template.spec.securityContext.seccompProfile", GONE, "seccompProfile"),
    "token": (REDIS, "spec.template.spec.automountServiceAccountToken", GONE, "token"),
    "open namespace": (("v1", "Namespace", "tidemark"), "metadata.labels|pod-security.kubernetes.io/enforce", "baseline", "not restricted"),
    "no bound of memory": (INGEST, f"{FUNCTION}.resources.limits", GONE, "memory"),
    # Without Knative.
    "backend": (("networking.k8s.io/v1", "Ingress", "tidemark"), "spec.rules.0.http.paths.0.backend.service.name", "ingset", "Service ingset does not exist"),
    "port of a backend": (("networking.k8s.io/v1", "Ingress", "tidemark"), "spec.rules.0.http.paths.0.backend.service.port.name", "web", "no port web"),
    "scaled": (("autoscaling/v2", "HorizontalPodAutoscaler", "ingest"), "spec.scaleTargetRef.name", "ingset", "Deployment ingset does not exist"),
    "scaled twice": (DEPLOYED, "spec.replicas", 2, "replicas of its own"),
    "scaled by nothing": (DEPLOYED, f"{FUNCTION}.resources.requests.cpu", GONE, "requests no CPU"),
    # Added by overlays.
    "sink": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.sink.ref.name", "swep", "sink Service swep does not exist"),
    "key of a source": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.shedule", "* * * * *", "shedule"),
    "schedule": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.schedule", "* * * *", "does not match"),
    "address of the load": (("batch/v1", "Job", "load"), f"{FUNCTION}.args.1", "--url=http://ingset.tidemark.svc.cluster.local", "Service ingset does not exist"),
    "variable of an argument": (("batch/v1", "Job", "load"), f"{FUNCTION}.env.0.name", "POD", "POD_NAME of an argument is not set"),
    "index of a Job that has none": (("batch/v1", "Job", "load"), "spec.completionMode", "NonIndexed", "JOB_COMPLETION_INDEX of an argument"),
    "file of the load": (("batch/v1", "Job", "load"), f"{FUNCTION}.args.9", "--api-key-file=/var/run/tidemark/sender/wirte", "is not in volume"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_seen(name):
    which, where, value, said = BROKEN[name]
    for overlays in (["dev", "load", "sweep"], ["plain", "load"]):
        found = all_of(overlays)
        broken = [it for it in found if (it["apiVersion"], it["kind"], it["metadata"]["name"]) == which]
        if broken:
            break
    assert len(broken) == 1, which
    put(broken[0], where, value)
    told = mistakes(found)
    assert any(said in it for it in told), told


def put(document, where, value):
    """Puts a value at a path, or takes away what is there."""
    dotted, _, last = where.partition("|")
    steps = dotted.split(".") + ([last] if last else [])
    for step in steps[:-1]:
        document = document[int(step) if isinstance(document, list) else step]
    step = int(steps[-1]) if isinstance(document, list) else steps[-1]
    if value is GONE:
        del document[step]
    else:
        document[step] = value


# Files within ConfigMaps: what is replaced in which, and what must be said.
BROKEN_FILES = {
    "target": ("prometheus-targets", "exporter:8080", "exportr:8080", "Service exportr does not exist"),
    "port of a target": ("prometheus-targets", "exporter:8080", "exporter:8081", "no port 8081"),
    "autoscaler": ("prometheus-targets", "knative-serving:9090", "knative-serving:9091", "no known Service"),
    "webhook": ("alertmanager", "alert-receiver:8080", "receiver:8080", "Service receiver does not exist"),
    "data source": ("grafana-provisioning", "prometheus:9090", "prometheus:9091", "no port 9091"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_an_address_in_a_file_that_leads_nowhere_is_seen(name):
    which, old, new, said = BROKEN_FILES[name]
    text = rendered("dev")
    assert old in text
    found = manifests.load(text)
    for it in found:
        if it["kind"] == "ConfigMap" and it["metadata"]["name"].rpartition("-")[0] == which:
            it["data"] = {key: value.replace(old, new) for key, value in it["data"].items()}
    assert any(said in it for it in mistakes(found)), mistakes(found)


# Who may talk to whom, inside the namespace: from, to, port.
TALKS = {
    ("ingest", "redis", 6379),
    ("analyze", "redis", 6379),
    ("exporter", "redis", 6379),
    ("prometheus", "exporter", 8080),
    ("prometheus", "alertmanager", 9093),
    ("alertmanager", "alert-receiver", 8080),
    ("grafana", "prometheus", 9090),
}


@pytest.mark.parametrize("overlay", ["dev", "plain"])
def test_those_who_must_may_talk_and_no_others(overlay):
    found = [it for it in documents(overlay) if it["metadata"]["name"] != "outside"]
    pods = [it for it in map(Pod.of, found) if it is not None]
    policies = [it["spec"] for it in found if it["kind"] == "NetworkPolicy"]
    allowed = {
        (source.name, target.name, port)
        for source in pods
        for target in pods
        for port in (p for p in target.ports if isinstance(p, int))
        if source is not target and may_talk(policies, source, target, port)
    }
    assert allowed == TALKS


def may_talk(policies, source, target, port):
    """Whether the policies of both ends let a connection through."""
    names = {it["name"]: it["containerPort"] for c in target.containers for it in c.get("ports", [])}

    def passes(direction, peers, own, other):
        mine = [it for it in policies if matches(it["podSelector"], own.labels)]
        mine = [it for it in mine if direction.capitalize() in it["policyTypes"]]
        rules = [rule for it in mine for rule in it.get(direction, [])]
        return not mine or any(
            any(
                "namespaceSelector" not in peer and matches(peer["podSelector"], other.labels)
                for peer in rule.get(peers, [{"podSelector": {}}])
            )
            and any(
                names.get(it["port"], it["port"]) == port
                for it in rule.get("ports", [{"port": port}])
            )
            for rule in rules
        )

    return passes("ingress", "from", target, source) and passes("egress", "to", source, target)


def test_only_prometheus_reaches_knative_outside_of_the_namespace():
    """Every other way out is DNS."""
    out = {
        it["metadata"]["name"]
        for it in documents("dev")
        if it["kind"] == "NetworkPolicy"
        for rule in it["spec"].get("egress", [])
        if any("namespaceSelector" in peer or "ipBlock" in peer for peer in rule.get("to", [{}]))
    }
    assert out == {"dns", "prometheus"}


def test_the_ports_of_the_cluster_lead_to_what_listens():
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    assert schema_mistakes(cluster) == []
    services = [it for it in documents("dev") if it["kind"] == "Service" and it["apiVersion"] == "v1"]
    node_ports = {p["nodePort"] for it in services for p in it["spec"]["ports"] if "nodePort" in p}
    # The gateway's is set by the script.
    node_ports |= {int(it) for it in re.findall(r'"nodePort":(\d+)', (KIND / "up.sh").read_text())}
    mapped = cluster["nodes"][0]["extraPortMappings"]
    assert {it["containerPort"] for it in mapped} == node_ports
    assert {it["listenAddress"] for it in mapped} == {"127.0.0.1"}


@pytest.mark.parametrize("key, value", [("node", []), ("name", 5)])
def test_a_cluster_that_is_not_one_is_seen(key, value):
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    cluster[key] = value
    assert schema_mistakes(cluster)


def test_no_secret_is_in_the_manifests():
    for overlay in OVERLAYS:
        assert not any(it["kind"] == "Secret" for it in documents(overlay))


def test_a_function_ends_in_good_order_before_knative_kills_it():
    """The queue-proxy passes SIGTERM on after 30 s; then come the longest request, a second, and the last totals."""
    request_timeout_s, margin_s, last_flush_s = 10, 1, 1.8
    for it in documents("dev"):
        if it["apiVersion"] == "serving.knative.dev/v1":
            grace_s = it["spec"]["template"]["spec"]["timeoutSeconds"]
            assert grace_s >= 30 + request_timeout_s + margin_s + last_flush_s


def test_every_number_of_the_autoscaling_is_explained():
    text = (KIND / "README.md").read_text()
    for it in documents("dev"):
        annotations = it.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
        for name, value in annotations.items():
            key = name.removeprefix("autoscaling.knative.dev/")
            row = next((line for line in text.splitlines() if line.startswith(f"| `{key}`")), "")
            assert f"`{value}`" in row, f"{key}: {value} is not in {row!r}"
