"""Strict schemas of Kubernetes, Knative and Kind: an unknown key is a mistake.

Kubernetes publishes schemas of its kinds (`kubernetes_validate`). Those of Knative accept documents that its webhook
refuses, and neither checks the names of annotations, so this module adds both.
"""

import functools
import json
import re

import jsonschema
import referencing
from kubernetes_validate.utils import schema_contents

# The oldest version of Kubernetes that Knative 1.23 supports, and the version of the node image.
KUBERNETES = ("1.34", "1.36")

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
LABELS = {"type": "object", "additionalProperties": TEXT}


def strict(properties, required=()):
    """Returns the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def core(name):
    """Returns a reference to a kind of the core API."""
    return {"$ref": f"#/$defs/io.k8s.api.core.v1.{name}"}


def published(name, version):
    """Returns a file of the published strict schemas."""
    return schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)


# Left out because Knative disables them by default: nodeSelector, affinity, tolerations, securityContext of the pod,
# initContainers, priorityClassName, hostNetwork and others.
REVISION = strict(
    {
        "containers": {"type": "array", "minItems": 1, "items": core("Container")},
        "volumes": {
            "type": "array",
            # Knative also disables persistentVolumeClaim, hostPath, ephemeral and csi, but not emptyDir.
            "items": strict(
                {
                    "name": TEXT,
                    "secret": core("SecretVolumeSource"),
                    "configMap": core("ConfigMapVolumeSource"),
                    "projected": core("ProjectedVolumeSource"),
                    "emptyDir": core("EmptyDirVolumeSource"),
                },
                ["name"],
            ),
        },
        "timeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 600},
        "responseStartTimeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 600},
        "idleTimeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 600},
        "containerConcurrency": {"type": "integer", "minimum": 0, "maximum": 1000},
        "serviceAccountName": TEXT,
        "automountServiceAccountToken": {"type": "boolean"},
        "enableServiceLinks": {"type": "boolean"},
        "imagePullSecrets": {"type": "array", "items": strict({"name": TEXT}, ["name"])},
    },
    ["containers"],
)

METADATA = {"name": TEXT, "namespace": TEXT, "labels": LABELS, "annotations": LABELS}

KNATIVE_SERVICE = strict(
    {
        "apiVersion": {"const": "serving.knative.dev/v1"},
        "kind": {"const": "Service"},
        "metadata": strict(METADATA, ["name"]),
        "spec": strict(
            {
                "template": strict(
                    {
                        "metadata": strict({"name": TEXT, "labels": LABELS, "annotations": LABELS}),
                        "spec": REVISION,
                    },
                    ["spec"],
                ),
                "traffic": {
                    "type": "array",
                    "items": strict(
                        {
                            "latestRevision": {"type": "boolean"},
                            "revisionName": TEXT,
                            "percent": {"type": "integer", "minimum": 0, "maximum": 100},
                            "tag": TEXT,
                        }
                    ),
                },
            },
            ["template"],
        ),
    },
    ["apiVersion", "kind", "metadata", "spec"],
)

REFERENCE = strict(
    {"apiVersion": TEXT, "kind": TEXT, "name": TEXT, "namespace": TEXT},
    ["apiVersion", "kind", "name"],
)

PING_SOURCE = strict(
    {
        "apiVersion": {"const": "sources.knative.dev/v1"},
        "kind": {"const": "PingSource"},
        "metadata": strict(METADATA, ["name"]),
        "spec": strict(
            {
                "schedule": {"type": "string", "pattern": r"^\S+ \S+ \S+ \S+ \S+$"},
                "timezone": TEXT,
                "contentType": TEXT,
                "data": TEXT,
                "dataBase64": TEXT,
                "ceOverrides": strict({"extensions": LABELS}),
                "sink": strict({"ref": REFERENCE, "uri": TEXT}, ["ref"]),
            },
            ["schedule", "sink"],
        ),
    },
    ["apiVersion", "kind", "metadata", "spec"],
)

# Addressable by reference, with a path.
DESTINATION = strict({"ref": REFERENCE, "uri": TEXT}, ["ref"])

DURATION = {"type": "string", "pattern": r"^PT(\d+(\.\d+)?[HMS])+$"}

DELIVERY = strict(
    {
        "retry": {"type": "integer", "minimum": 0},
        "backoffPolicy": {"enum": ["exponential", "linear"]},
        "backoffDelay": DURATION,
        "timeout": DURATION,
        "deadLetterSink": DESTINATION,
    }
)

KAFKA_SOURCE = strict(
    {
        "apiVersion": {"const": "sources.knative.dev/v1"},
        "kind": {"const": "KafkaSource"},
        "metadata": strict(METADATA, ["name"]),
        "spec": strict(
            {
                "consumerGroup": TEXT,
                "bootstrapServers": {"type": "array", "items": TEXT, "minItems": 1},
                "topics": {"type": "array", "items": TEXT, "minItems": 1},
                "initialOffset": {"enum": ["earliest", "latest"]},
                "ordering": {"enum": ["ordered", "unordered"]},
                "consumers": {"type": "integer", "minimum": 0},
                "delivery": DELIVERY,
                "ceOverrides": strict({"extensions": LABELS}),
                "sink": DESTINATION,
            },
            ["bootstrapServers", "topics", "sink"],
        ),
    },
    ["apiVersion", "kind", "metadata", "spec"],
)

BROKER = strict(
    {
        "apiVersion": {"const": "eventing.knative.dev/v1"},
        "kind": {"const": "Broker"},
        "metadata": strict(METADATA, ["name"]),
        "spec": strict({"config": REFERENCE, "delivery": DELIVERY}),
    },
    ["apiVersion", "kind", "metadata"],
)

TRIGGER = strict(
    {
        "apiVersion": {"const": "eventing.knative.dev/v1"},
        "kind": {"const": "Trigger"},
        "metadata": strict(METADATA, ["name"]),
        "spec": strict(
            {
                "broker": TEXT,
                "filter": strict({"attributes": LABELS}),
                "delivery": DELIVERY,
                "subscriber": DESTINATION,
            },
            ["broker", "subscriber"],
        ),
    },
    ["apiVersion", "kind", "metadata", "spec"],
)

KIND_CLUSTER = strict(
    {
        "apiVersion": {"const": "kind.x-k8s.io/v1alpha4"},
        "kind": {"const": "Cluster"},
        "name": TEXT,
        "featureGates": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "networking": strict(
            {
                "ipFamily": {"enum": ["ipv4", "ipv6", "dual"]},
                "apiServerAddress": TEXT,
                "apiServerPort": WHOLE,
                "podSubnet": TEXT,
                "serviceSubnet": TEXT,
                "disableDefaultCNI": {"type": "boolean"},
                "kubeProxyMode": {"enum": ["iptables", "ipvs", "nftables", "none"]},
            }
        ),
        "nodes": {
            "type": "array",
            "minItems": 1,
            "items": strict(
                {
                    "role": {"enum": ["control-plane", "worker"]},
                    "image": TEXT,
                    "labels": LABELS,
                    "kubeadmConfigPatches": {"type": "array", "items": TEXT},
                    "extraPortMappings": {
                        "type": "array",
                        "items": strict(
                            {
                                "containerPort": {"type": "integer", "minimum": 1, "maximum": 65535},
                                "hostPort": {"type": "integer", "minimum": 1, "maximum": 65535},
                                "listenAddress": TEXT,
                                "protocol": {"enum": ["TCP", "UDP", "SCTP"]},
                            },
                            ["containerPort", "hostPort"],
                        ),
                    },
                },
                ["role"],
            ),
        },
    },
    ["apiVersion", "kind", "nodes"],
)

OWN = {
    ("serving.knative.dev/v1", "Service"): KNATIVE_SERVICE,
    ("sources.knative.dev/v1", "PingSource"): PING_SOURCE,
    ("sources.knative.dev/v1", "KafkaSource"): KAFKA_SOURCE,
    ("eventing.knative.dev/v1", "Broker"): BROKER,
    ("eventing.knative.dev/v1", "Trigger"): TRIGGER,
    ("kind.x-k8s.io/v1alpha4", "Cluster"): KIND_CLUSTER,
}

# Annotations of `autoscaling.knative.dev/`, with the expected form of each value.
AUTOSCALING = {
    "class": r"(kpa|hpa)\.autoscaling\.knative\.dev",
    "metric": r"concurrency|rps",
    "target": r"\d+(\.\d+)?",
    "target-utilization-percentage": r"[1-9]\d?(\.\d+)?|100(\.0+)?",
    "target-burst-capacity": r"-1|\d+",
    "min-scale": r"\d+",
    "max-scale": r"\d+",
    "initial-scale": r"\d+",
    "activation-scale": r"[1-9]\d*",
    "scale-down-delay": r"\d+[sm]|1h",
    "scale-to-zero-pod-retention-period": r"\d+[sm]|1h",
    "window": r"\d+[sm]|1h",
    "panic-window-percentage": r"[1-9]\d?(\.\d+)?|100(\.0+)?",
    "panic-threshold-percentage": r"\d{3,4}(\.\d+)?",
    "metric-aggregation-algorithm": r"linear|weightedExponential",
}

PORTS_RESERVED = {8008, 8012, 8013, 8022, 8112, 9090, 9091}
VARIABLES_RESERVED = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}

# Shortest and longest stable window.
WINDOW_S_MIN, WINDOW_S_MAX = 6, 3600


def schema_mistakes(document):
    """Returns unknown, missing and malformed fields of one document."""
    return _schema_mistakes(json.dumps(document, default=str))


@functools.lru_cache(maxsize=1024)
def _schema_mistakes(text):
    document = json.loads(text)
    api_version, kind = document.get("apiVersion"), document.get("kind")
    for version in KUBERNETES:
        try:
            errors = list(validator(api_version, kind, version).iter_errors(document))
        except FileNotFoundError:
            return ["no schema for this kind"]
        if errors:
            return [f"{error.json_path}: {error.message}" for error in errors]
    return []


@functools.cache
def validator(api_version, kind, version):
    """Returns the validator of a kind; raises `FileNotFoundError` if there is no such kind."""
    own = OWN.get((api_version, kind))
    if own is not None:
        schema = {"$id": "https://kubernetes.io/api/own.json", **own}
        schema = json.loads(json.dumps(schema).replace("#/$defs/", "_definitions.json#/$defs/"))
    else:
        # File names contain the first part of the group, and the version.
        group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
        schema = published(f"{kind.lower()}-{group}", version)
    return jsonschema.Draft202012Validator(schema, registry=definitions(version))


@functools.cache
def definitions(version):
    resource = referencing.Resource.from_contents(published("_definitions", version))
    return (resource @ referencing.Registry()).crawl()


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def webhook_mistakes(service):
    """Returns what Knative's webhook refuses, or accepts and ignores, in a Service that matches its schema."""
    return list(_annotations(service)) + list(_container(service))


def _annotations(service):
    on_service = service["metadata"].get("annotations", {})
    yield from (
        f"{name} belongs under spec.template.metadata.annotations"
        for name in on_service
        if name.startswith("autoscaling.knative.dev/")
    )
    found = service["spec"]["template"].get("metadata", {}).get("annotations", {})
    scaling = {}
    for name, value in found.items():
        domain, _, key = name.rpartition("/")
        if domain != "autoscaling.knative.dev":
            yield f"annotation {name} is unknown"
        elif key not in AUTOSCALING:
            yield f"annotation {name} is unknown"
        elif not re.fullmatch(AUTOSCALING[key], value):
            yield f"annotation {name}: {value!r} is not {AUTOSCALING[key]}"
        else:
            scaling[key] = value
    lowest, highest = int(scaling.get("min-scale", 0)), int(scaling.get("max-scale", 0))
    if highest and lowest > highest:
        yield f"min-scale {lowest} is above max-scale {highest}"
    if "initial-scale" in scaling and highest and int(scaling["initial-scale"]) > highest:
        yield f"initial-scale {scaling['initial-scale']} is above max-scale {highest}"
    if "window" in scaling and not WINDOW_S_MIN <= seconds(scaling["window"]) <= WINDOW_S_MAX:
        yield f"window {scaling['window']} is not within 6s..1h"
    if "target" in scaling and float(scaling["target"]) < 0.01:
        yield "target is below 0.01"


def _container(service):
    spec = service["spec"]["template"]["spec"]
    with_ports = [container for container in spec["containers"] if container.get("ports")]
    if len(with_ports) != 1 or len(with_ports[0]["ports"]) != 1:
        yield "expected exactly one container with exactly one port"
        return
    if len(spec["containers"]) > 1 and any("name" not in container for container in spec["containers"]):
        yield "several containers need names"
    port = with_ports[0]["ports"][0]
    if port.get("name", "http1") not in ("http1", "h2c"):
        yield f"port name {port['name']!r} is neither http1 nor h2c"
    if port["containerPort"] in PORTS_RESERVED:
        yield f"port {port['containerPort']} is reserved"
    for key in set(port) - {"name", "containerPort", "protocol"}:
        yield f"port key {key} is not allowed"
    for container in spec["containers"]:
        yield from _of_container(container, port["containerPort"])


def _of_container(container, port):
    for key in ("lifecycle", "stdin", "tty", "volumeDevices", "resizePolicy", "restartPolicy"):
        if key in container:
            yield f"{key} is not allowed"
    for variable in container.get("env", []):
        if variable["name"] in VARIABLES_RESERVED:
            yield f"variable {variable['name']} is set by Knative"
        if {"fieldRef", "resourceFieldRef"} & set(variable.get("valueFrom", {})):
            yield f"variable {variable['name']}: fieldRef is disabled"
    for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
        for how in ("httpGet", "tcpSocket"):
            wanted = container.get(kind, {}).get(how, {}).get("port", port)
            if wanted not in (port, 0):
                yield f"{kind} asks port {wanted}, the container listens on {port}"
    for mount in container.get("volumeMounts", []):
        if not mount.get("readOnly", False) and mount["mountPath"] != "/tmp":
            yield f"mount {mount['mountPath']} is not read-only"
