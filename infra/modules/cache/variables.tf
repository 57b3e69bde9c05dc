variable "name" {
  description = "Name of the cache and of its user."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "mode" {
  description = "`serverless` or `replication_group`."
  type        = string
}

variable "data_gb_max" {
  description = "Serverless: limit in gigabytes, which bounds the cost."
  type        = number
}

variable "ecpu_per_s_max" {
  description = "Serverless: limit in processing units per second, which bounds the cost."
  type        = number
}

variable "node_type" {
  description = "Replication group: type of the nodes."
  type        = string
}

variable "n_shards" {
  description = "Replication group: number of shards; with more than one it is a cluster."
  type        = number
}

variable "n_replicas" {
  description = "Replication group: replicas of each shard."
  type        = number
}

variable "snapshot_days" {
  description = "Retention of daily snapshots, in days; 0 for none."
  type        = number
}

variable "subnet_ids" {
  description = "Subnets of the cache."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the cache."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of data at rest; null for the key of the service."
  type        = string
}
