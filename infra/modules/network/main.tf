# A network without a route to the internet: a NAT gateway would cost more than all the rest. DynamoDB is reached through a
# gateway endpoint, which is free. Lambda itself handles logs, queues, streams and traces outside of the network.

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  # checkov:skip=CKV_AWS_394:`ignore_changes` keeps a subnet in its zone when the region gets a new one
  count = var.existing == null ? 1 : 0
  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  is_own     = var.existing == null
  vpc_id     = local.is_own ? aws_vpc.this[0].id : var.existing.vpc_id
  subnet_ids = local.is_own ? aws_subnet.private[*].id : var.existing.subnet_ids
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:No flow log: it contains only functions and cache, and has no route to the internet
  count                = local.is_own ? 1 : 0
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(var.tags, { Name = var.name })
}

# The default group allows no traffic, so that a resource without a group is isolated.
resource "aws_default_security_group" "this" {
  count  = local.is_own ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = merge(var.tags, { Name = "${var.name}-unused" })
}

resource "aws_subnet" "private" {
  count             = local.is_own ? var.n_zones : 0
  vpc_id            = aws_vpc.this[0].id
  availability_zone = data.aws_availability_zones.available[0].names[count.index]
  cidr_block        = cidrsubnet(var.cidr, 4, count.index)

  lifecycle {
    # A new zone in the region would shift the others, and replace the cache.
    ignore_changes = [availability_zone]
  }

  tags = merge(var.tags, { Name = "${var.name}-private-${count.index}" })
}

resource "aws_route_table" "private" {
  count  = local.is_own ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = merge(var.tags, { Name = "${var.name}-private" })
}

resource "aws_route_table_association" "private" {
  count          = local.is_own ? var.n_zones : 0
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
}

resource "aws_security_group" "functions" {
  # checkov:skip=CKV2_AWS_5:The root module attaches it to the functions
  name        = "${var.name}-functions"
  description = "Functions: egress to the cache and to endpoints, no ingress"
  vpc_id      = local.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-functions" })
}

resource "aws_security_group" "cache" {
  # checkov:skip=CKV2_AWS_5:The root module attaches it to the cache
  count       = var.external_cache_port == null ? 1 : 0
  name        = "${var.name}-cache"
  description = "Cache: ingress from the functions, no egress"
  vpc_id      = local.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-cache" })
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  count                        = var.external_cache_port == null ? 1 : 0
  security_group_id            = aws_security_group.cache[0].id
  description                  = "Valkey, from the functions"
  referenced_security_group_id = aws_security_group.functions.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "functions_to_cache" {
  count                        = var.external_cache_port == null ? 1 : 0
  security_group_id            = aws_security_group.functions.id
  description                  = "Valkey"
  referenced_security_group_id = aws_security_group.cache[0].id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  tags                         = var.tags
}

# The security group of the external cache restricts this further: it must accept the functions' group, an output.
resource "aws_vpc_security_group_egress_rule" "functions_to_external_cache" {
  count             = var.external_cache_port == null ? 0 : 1
  security_group_id = aws_security_group.functions.id
  description       = "External cache, by the routes of the network"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = var.external_cache_port
  to_port           = var.external_cache_port
  tags              = var.tags
}

resource "aws_vpc_endpoint" "dynamodb" {
  count             = local.is_own && var.has_table ? 1 : 0
  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private[0].id]
  tags              = merge(var.tags, { Name = "${var.name}-dynamodb" })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = ["dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query"]
      Resource  = [var.table_arn]
    }]
  })
}

resource "aws_vpc_security_group_egress_rule" "functions_to_dynamodb" {
  count             = local.is_own && var.has_table ? 1 : 0
  security_group_id = aws_security_group.functions.id
  description       = "DynamoDB, through its endpoint"
  prefix_list_id    = aws_vpc_endpoint.dynamodb[0].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_security_group" "endpoints" {
  count       = local.is_own && length(var.services) > 0 ? 1 : 0
  name        = "${var.name}-endpoints"
  description = "Endpoints: ingress from the functions, no egress"
  vpc_id      = local.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count                        = local.is_own && length(var.services) > 0 ? 1 : 0
  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "HTTPS, from the functions"
  referenced_security_group_id = aws_security_group.functions.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "functions_to_services" {
  count                        = local.is_own && length(var.services) > 0 ? 1 : 0
  security_group_id            = aws_security_group.functions.id
  description                  = "Services, through their endpoints"
  referenced_security_group_id = aws_security_group.endpoints[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  tags                         = var.tags
}

resource "aws_vpc_endpoint" "services" {
  for_each            = local.is_own ? toset(var.services) : toset([])
  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.current.name}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  tags                = merge(var.tags, { Name = "${var.name}-${each.value}" })
}

# In an existing network, its routes and endpoints restrict this further.
resource "aws_vpc_security_group_egress_rule" "functions_to_endpoints" {
  count             = local.is_own ? 0 : 1
  security_group_id = aws_security_group.functions.id
  description       = "HTTPS, by the routes of the network"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}
