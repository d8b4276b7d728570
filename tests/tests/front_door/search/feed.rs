//! Feeds: what changed last, page by page.

use madang_tests::{
    ckan::{Cast, result},
    on_every_hub, work,
};
use serde_json::json;

fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|part| part.split_once(end).map(|(inner, _)| inner)).collect()
}

#[tokio::test]
async fn feeds_show_what_changed_last() {
    on_every_hub(|hub| async move {
        let mut cast = Cast::new(&hub);
        let (sysadmin, nobody) = (cast.person("sysadmin").await, cast.person("nobody").await);
        let story = work::unique("feed");
        result(&sysadmin, "organization_create", &json!({"name": format!("org-{story}"), "title": "A & B"})).await;
        result(&sysadmin, "group_create", &json!({"name": format!("group-{story}"), "title": "모임"})).await;
        for number in 0..25 {
            let dict = json!({
                "name": format!("d{number}-{story}"), "title": format!("<{number}> & \"더\""), "owner_org": format!("org-{story}"),
                "private": number == 24, "tags": [{"name": format!("tag {story}")}], "groups": [{"name": format!("group-{story}")}],
            });
            result(&sysadmin, "package_create", &dict).await;
        }
        let tag = format!("tag%20{story}");
        for path in [
            format!("/feeds/organization/org-{story}.atom"),
            format!("/feeds/group/group-{story}.atom"),
            format!("/feeds/tag/{tag}.atom"),
            format!("/feeds/custom.atom?q=title:%EB%8D%94&organization=org-{story}"),
        ] {
            let first = nobody.get(&path).send().await.is(200);
            assert_eq!(first.header("content-type"), Some("application/atom+xml;charset=utf-8"));
            let titles = between(&first.text, "<entry><title>", "</title>");
            assert_eq!((titles.len(), titles[0]), (20, "&lt;23&gt; &amp; &quot;더&quot;"), "{path}");
            let next = between(&first.text, "<link rel=\"next\" href=\"", "\"");
            let next = next[0].replace("&amp;", "&");
            let target = next.strip_prefix(&hub.http).expect("on this hub");
            let second = nobody.get(target).send().await.is(200);
            assert_eq!(between(&second.text, "<entry><title>", "</title>").len(), 4, "{path}");
            assert!(!second.text.contains("rel=\"next\"") && second.text.contains("rel=\"previous\""));
        }
        let named = nobody.get(&format!("/feeds/organization/org-{story}.atom")).send().await.is(200);
        assert!(named.text.contains("Organization: &quot;A &amp; B&quot;"), "{}", named.text);
        nobody.get("/feeds/dataset.atom").send().await.is(200);
        for (path, status) in [
            ("/feeds/group/nothing-like-it.atom", 404),
            ("/feeds/tag/x", 404),
            ("/feeds/dataset.atom?page=0", 400),
            ("/feeds/dataset.atom?page=x", 400),
            ("/feeds/custom.atom?q=a:b:c", 409),
        ] {
            nobody.get(path).send().await.is(status);
        }
    })
    .await;
}
