//! The contract's face of Object Storage and connections.

use futures::{StreamExt, stream::BoxStream};
use madang_kit::rpc::{self, Answer, answer};
use madang_proto::pipeline::v1::{
    Bucket, Connection, CreateBucketRequest, CreateConnectionRequest, DeleteBucketRequest, DeleteBucketResponse, DeleteConnectionRequest,
    DeleteConnectionResponse, DeleteObjectRequest, DeleteObjectResponse, GetConnectionRequest, GetObjectRequest, GetObjectResponse,
    GrantBucketRequest, IntroduceRequest, IntroduceResponse, ListBucketsRequest, ListBucketsResponse, ListConnectionsRequest,
    ListConnectionsResponse, ListObjectsRequest, ListObjectsResponse, Object, PutObjectRequest, buckets_server, connections_server,
    get_object_response::Part,
};
use tonic::{Request, Response, Status, Streaming};

use super::{bucket, object};
use crate::{Pipelines, connection};

#[tonic::async_trait]
impl buckets_server::Buckets for Pipelines {
    type GetObjectStream = BoxStream<'static, Result<GetObjectResponse, Status>>;

    async fn create_bucket(&self, request: Request<CreateBucketRequest>) -> Answer<Bucket> {
        answer!(self, request, bucket::create)
    }

    async fn list_buckets(&self, request: Request<ListBucketsRequest>) -> Answer<ListBucketsResponse> {
        answer!(self, request, bucket::list)
    }

    async fn delete_bucket(&self, request: Request<DeleteBucketRequest>) -> Answer<DeleteBucketResponse> {
        answer!(self, request, bucket::delete)
    }

    async fn grant_bucket(&self, request: Request<GrantBucketRequest>) -> Answer<Bucket> {
        answer!(self, request, bucket::grant)
    }

    async fn list_objects(&self, request: Request<ListObjectsRequest>) -> Answer<ListObjectsResponse> {
        answer!(self, request, object::list)
    }

    async fn put_object(&self, request: Request<Streaming<PutObjectRequest>>) -> Answer<Object> {
        answer!(self, request, object::put)
    }

    async fn get_object(&self, request: Request<GetObjectRequest>) -> Answer<Self::GetObjectStream> {
        let context = rpc::context(&request)?;
        let (object, pieces) = object::get(self, &context, request.into_inner()).await?;
        let first = futures::stream::iter([Ok(Part::Object(object))]);
        let parts = first.chain(pieces.map(|piece| piece.map(Part::Chunk).map_err(Status::from)));
        Ok(Response::new(parts.map(|part| part.map(|part| GetObjectResponse { part: Some(part) })).boxed()))
    }

    async fn delete_object(&self, request: Request<DeleteObjectRequest>) -> Answer<DeleteObjectResponse> {
        answer!(self, request, object::delete)
    }

    async fn introduce(&self, request: Request<IntroduceRequest>) -> Answer<IntroduceResponse> {
        rpc::context(&request)?;
        Ok(Response::new(bucket::introduce(self, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl connections_server::Connections for Pipelines {
    async fn create_connection(&self, request: Request<CreateConnectionRequest>) -> Answer<Connection> {
        answer!(self, request, connection::create)
    }

    async fn get_connection(&self, request: Request<GetConnectionRequest>) -> Answer<Connection> {
        answer!(self, request, connection::get)
    }

    async fn list_connections(&self, request: Request<ListConnectionsRequest>) -> Answer<ListConnectionsResponse> {
        answer!(self, request, connection::list)
    }

    async fn delete_connection(&self, request: Request<DeleteConnectionRequest>) -> Answer<DeleteConnectionResponse> {
        answer!(self, request, connection::delete)
    }
}
