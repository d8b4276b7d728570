//! An id has one spelling (dhub.md section 2): what merely decodes to the same bits names nothing.

use madang_tests::{on_every_hub, work};

#[tokio::test]
async fn an_id_has_one_spelling() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let ulid = dataset.trim_start_matches("ds-");
        work::page(&admin, &dataset, 1, 1).await;
        let others = [
            format!("ds-{}", ulid.to_uppercase()),
            format!("ds-8{}", &ulid[1..]),
            format!("ds-{}", ulid.replacen('0', "o", 1)),
            format!("ds-{}", ulid.replacen('1', "l", 1)),
            format!("ds-{}", &ulid[1..]),
            format!("ds-0{ulid}"),
            format!("ds-{ulid}%20"),
            format!("DS-{ulid}"),
            format!("ds_{ulid}"),
            ulid.to_owned(),
            "ds-".to_owned(),
            format!("ds-{}", "z".repeat(26)),
        ];
        for other in others {
            let answer = admin.get(&format!("/api/v1/tables/{other}")).send().await;
            assert_eq!(answer.status, 404, "{answer}");
        }
    })
    .await;
}
