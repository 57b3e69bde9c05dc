"""Tests that a cluster would accept the manifests, and that each way of breaking one is detected.

Broken manifests are made from the real ones, so that they stay up to date.
"""

import re

import pytest
import yaml

import manifests
from conftest import KIND, OVERLAYS, documents, rendered, variables, version
from manifests import Pod, matches
from schema import schema_mistakes

# Secrets that `secrets.sh` makes, with their keys; `test_scripts` compares them.
SECRETS = {
    "redis-auth": {"password", "viewer", "users.acl"},
    "api-keys": {"entries"},
    "sender-keys": {"write", "read", "admin"},
    "grafana": {"password"},
}

# Overlays that are applied together are checked together.
TOGETHER = [["dev"], ["plain"], ["dev", "load"], ["plain", "load"], ["dev", "sweep"], ["dev", "notify"], ["dev", "eventing"]]

REMOVED = object()


def mistakes(found):
    return manifests.mistakes(
        found, variables=variables(), secrets=SECRETS, version=version()
    )


def all_of(overlays):
    return [document for overlay in overlays for document in documents(overlay)]


@pytest.mark.parametrize("overlays", TOGETHER, ids="+".join)
def test_the_manifests_have_no_mistakes(overlays):
    assert mistakes(all_of(overlays)) == []


def test_every_overlay_is_checked():
    assert {overlay for overlays in TOGETHER for overlay in overlays} == set(OVERLAYS)


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

# Document, path in it (dots separate keys; the rest after a bar is one key), new value, and a part of the mistake.
BROKEN = {
    # Misspelled, of the wrong type, or at the wrong level.
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
    # Refused by Knative's webhook.
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
    # Accepted by all checks of a cluster.
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
    "image of another name": (EXPORTER, f"{FUNCTION}.image", "dev.local/tidemark-exporter:" + version(), "not built by"),
    "image that is not pinned": (GRAFANA, f"{FUNCTION}.image", "grafana/grafana:latest", "not pinned"),
    "namespace": (EXPORTER, "metadata.namespace", "default", "not in the namespace"),
    # Security.
    "writable root": (INGEST, f"{FUNCTION}.securityContext.readOnlyRootFilesystem", False, "readOnlyRootFilesystem"),
    "root": (EXPORTER, "spec.template.spec.securityContext.runAsUser", 0, "runAsUser"),
    "capabilities": (REDIS, f"{FUNCTION}.securityContext.capabilities", REMOVED, "capabilities"),
    "system calls": (REDIS, "spec.template.spec.securityContext.seccompProfile", REMOVED, "seccompProfile"),
    "token": (REDIS, "spec.template.spec.automountServiceAccountToken", REMOVED, "token"),
    "open namespace": (("v1", "Namespace", "tidemark"), "metadata.labels|pod-security.kubernetes.io/enforce", "baseline", "not restricted"),
    "no bound of memory": (INGEST, f"{FUNCTION}.resources.limits", REMOVED, "memory"),
    "no protocol": (("networking.k8s.io/v1", "NetworkPolicy", "redis"), "spec.ingress.0.ports.0.protocol", REMOVED, "names no protocol"),
    # Without Knative.
    "backend": (("networking.k8s.io/v1", "Ingress", "tidemark"), "spec.rules.0.http.paths.0.backend.service.name", "ingset", "Service ingset does not exist"),
    "port of a backend": (("networking.k8s.io/v1", "Ingress", "tidemark"), "spec.rules.0.http.paths.0.backend.service.port.name", "web", "no port web"),
    "scaled": (("autoscaling/v2", "HorizontalPodAutoscaler", "ingest"), "spec.scaleTargetRef.name", "ingset", "Deployment ingset does not exist"),
    "scaled twice": (DEPLOYED, "spec.replicas", 2, "replicas of its own"),
    "scaled by nothing": (DEPLOYED, f"{FUNCTION}.resources.requests.cpu", REMOVED, "requests no CPU"),
    # Added by overlays.
    "sink": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.sink.ref.name", "swep", "sink Service swep does not exist"),
    "key of a source": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.shedule", "* * * * *", "shedule"),
    "schedule": (("sources.knative.dev/v1", "PingSource", "sweep"), "spec.schedule", "* * * *", "does not match"),
    "order of a topic": (("sources.knative.dev/v1", "KafkaSource", "samples"), "spec.ordering", "order", "is not one of"),
    "receiver of events": (("sources.knative.dev/v1", "KafkaSource", "samples"), "spec.sink.ref.name", "event", "sink Service event does not exist"),
    "broker of a trigger": (("eventing.knative.dev/v1", "Trigger", "samples"), "spec.broker", "default", "sink Broker default does not exist"),
    "pause of a delivery": (("eventing.knative.dev/v1", "Broker", "samples"), "spec.delivery.backoffDelay", "0.2s", "does not match"),
    "address of the load": (("batch/v1", "Job", "load"), f"{FUNCTION}.args.1", "--url=http://ingset.tidemark.svc.cluster.local", "Service ingset does not exist"),
    "variable of an argument": (("batch/v1", "Job", "load"), f"{FUNCTION}.env.0.name", "POD", "POD_NAME of an argument is not set"),
    "index of a Job that has none": (("batch/v1", "Job", "load"), "spec.completionMode", "NonIndexed", "JOB_COMPLETION_INDEX of an argument"),
    "file of the load": (("batch/v1", "Job", "load"), f"{FUNCTION}.args.9", "--api-key-file=/var/run/tidemark/sender/wirte", "is not in volume"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_detected(name):
    which, path, value, expected = BROKEN[name]
    for overlays in (["dev", "load", "sweep", "eventing"], ["plain", "load"]):
        found = all_of(overlays)
        broken = [document for document in found if (document["apiVersion"], document["kind"], document["metadata"]["name"]) == which]
        if broken:
            break
    assert len(broken) == 1, which
    put(broken[0], path, value)
    reported = mistakes(found)
    assert any(expected in mistake for mistake in reported), reported


def put(document, path, value):
    """Sets the value at a path, or removes it."""
    dotted, _, last = path.partition("|")
    steps = dotted.split(".") + ([last] if last else [])
    for step in steps[:-1]:
        document = document[int(step) if isinstance(document, list) else step]
    step = int(steps[-1]) if isinstance(document, list) else steps[-1]
    if value is REMOVED:
        del document[step]
    else:
        document[step] = value


# ConfigMap, text in one of its files, replacement, and a part of the mistake.
BROKEN_FILES = {
    "target": ("prometheus-targets", "exporter:8080", "exportr:8080", "Service exportr does not exist"),
    "port of a target": ("prometheus-targets", "exporter:8080", "exporter:8081", "no port 8081"),
    "autoscaler": ("prometheus-targets", "knative-serving:9090", "knative-serving:9091", "no known Service"),
    "webhook": ("alertmanager", "alert-receiver:8080", "receiver:8080", "Service receiver does not exist"),
    "data source": ("grafana-provisioning", "prometheus:9090", "prometheus:9091", "no port 9091"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_wrong_address_in_a_file_is_detected(name):
    which, old, new, expected = BROKEN_FILES[name]
    text = rendered("dev")
    assert old in text
    found = manifests.load(text)
    for document in found:
        if document["kind"] == "ConfigMap" and document["metadata"]["name"].rpartition("-")[0] == which:
            document["data"] = {key: value.replace(old, new) for key, value in document["data"].items()}
    assert any(expected in mistake for mistake in mistakes(found)), mistakes(found)


# Allowed connections inside the namespace: source, target, port.
CONNECTIONS = {
    ("ingest", "redis", 6379),
    ("analyze", "redis", 6379),
    ("exporter", "redis", 6379),
    ("prometheus", "exporter", 8080),
    ("prometheus", "alertmanager", 9093),
    ("alertmanager", "alert-receiver", 8080),
    ("grafana", "prometheus", 9090),
}


# Those that an overlay adds.
ADDED = {"notify": {("notifier", "redis", 6379), ("notifier", "alertmanager", 9093)}}


@pytest.mark.parametrize("overlays", [["dev"], ["plain"], ["dev", "notify"]], ids="+".join)
def test_policies_allow_the_listed_connections_only(overlays):
    found = [document for document in all_of(overlays) if document["metadata"]["name"] != "outside"]
    pods = [pod for pod in map(Pod.of, found) if pod is not None]
    policies = [document["spec"] for document in found if document["kind"] == "NetworkPolicy"]
    allowed = {
        (source.name, target.name, port)
        for source in pods
        for target in pods
        for port in (p for p in target.ports if isinstance(p, int))
        if source is not target and may_connect(policies, source, target, port)
    }
    assert allowed == CONNECTIONS.union(*(ADDED.get(overlay, set()) for overlay in overlays))


def may_connect(policies, source, target, port):
    """Returns whether the policies of source and target allow a connection."""
    names = {named["name"]: named["containerPort"] for c in target.containers for named in c.get("ports", [])}

    def passes(direction, peers, own, other):
        mine = [policy for policy in policies if matches(policy["podSelector"], own.labels)]
        mine = [policy for policy in mine if direction.capitalize() in policy["policyTypes"]]
        rules = [rule for policy in mine for rule in policy.get(direction, [])]
        return not mine or any(
            any(
                "namespaceSelector" not in peer and matches(peer["podSelector"], other.labels)
                for peer in rule.get(peers, [{"podSelector": {}}])
            )
            and any(
                names.get(allowed["port"], allowed["port"]) == port
                for allowed in rule.get("ports", [{"port": port}])
            )
            for rule in rules
        )

    return passes("ingress", "from", target, source) and passes("egress", "to", source, target)


def test_only_prometheus_reaches_knative_outside_of_the_namespace():
    """All other pods reach only DNS outside of the namespace."""
    out = {
        document["metadata"]["name"]
        for document in documents("dev")
        if document["kind"] == "NetworkPolicy"
        for rule in document["spec"].get("egress", [])
        if any("namespaceSelector" in peer or "ipBlock" in peer for peer in rule.get("to", [{}]))
    }
    assert out == {"dns", "prometheus"}


def test_the_ports_of_the_cluster_are_node_ports_of_services():
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    assert schema_mistakes(cluster) == []
    services = [document for document in documents("dev") if document["kind"] == "Service" and document["apiVersion"] == "v1"]
    node_ports = {p["nodePort"] for service in services for p in service["spec"]["ports"] if "nodePort" in p}
    # `up.sh` sets the port of the gateway.
    node_ports |= {int(number) for number in re.findall(r'"nodePort":(\d+)', (KIND / "up.sh").read_text())}
    mapped = cluster["nodes"][0]["extraPortMappings"]
    assert {mapping["containerPort"] for mapping in mapped} == node_ports
    assert {mapping["listenAddress"] for mapping in mapped} == {"127.0.0.1"}


@pytest.mark.parametrize("key, value", [("node", []), ("name", 5)])
def test_a_malformed_cluster_is_detected(key, value):
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    cluster[key] = value
    assert schema_mistakes(cluster)


def test_the_manifests_contain_no_secret():
    for overlay in OVERLAYS:
        assert not any(document["kind"] == "Secret" for document in documents(overlay))


def test_a_function_shuts_down_before_knative_kills_it():
    """The queue-proxy passes SIGTERM on after 30 s; then follow the longest request, a margin, and the last totals."""
    request_timeout_s, margin_s, last_flush_s = 10, 1, 1.8
    for document in documents("dev"):
        if document["apiVersion"] == "serving.knative.dev/v1":
            grace_s = document["spec"]["template"]["spec"]["timeoutSeconds"]
            assert grace_s >= 30 + request_timeout_s + margin_s + last_flush_s


def test_every_number_of_the_autoscaling_is_explained():
    text = (KIND / "README.md").read_text()
    for document in documents("dev"):
        annotations = document.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
        for name, value in annotations.items():
            key = name.removeprefix("autoscaling.knative.dev/")
            row = next((line for line in text.splitlines() if line.startswith(f"| `{key}`")), "")
            assert f"`{value}`" in row, f"{key}: {value} is not in {row!r}"


def test_the_load_demo_sends_each_series_by_one_writer():
    [job] = [document for document in documents("load") if document["kind"] == "Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert "--writers=1" in container["args"]
    assert "--series=$(JOB_COMPLETION_INDEX)" in container["args"]
    assert "--source=$(POD_NAME)" in container["args"]
    assert job["spec"]["parallelism"] == job["spec"]["completions"]
