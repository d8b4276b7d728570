import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** NCP signature v2: `sign METHOD TARGET TIMESTAMP` or `call METHOD URL [BODY]`, with ACCESS_KEY and SECRET_KEY set. */
public class Sign {
    private static final String ACCESS_KEY = System.getenv("ACCESS_KEY");
    private static final String SECRET_KEY = System.getenv("SECRET_KEY");

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("sign")) {
            System.out.println(sign(arguments[1], arguments[2], arguments[3]));
        } else {
            call(arguments[1], URI.create(arguments[2]), arguments.length > 3 ? arguments[3] : "");
        }
    }

    /** `target` is path and query as they travel; the secret's characters are used as they are. */
    static String sign(String method, String target, String timestamp) throws Exception {
        String text = method + " " + target + "\n" + timestamp + "\n" + ACCESS_KEY;
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(SECRET_KEY.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        return Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
    }

    static void call(String method, URI uri, String body) throws Exception {
        // The raw parts: getPath and getQuery would undo the percent-encoding.
        String target = uri.getRawPath() + (uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery());
        String timestamp = Long.toString(System.currentTimeMillis()); // read once, used twice
        HttpRequest request = HttpRequest.newBuilder(uri)
            .header("x-ncp-apigw-timestamp", timestamp)
            .header("x-ncp-iam-access-key", ACCESS_KEY)
            .header("x-ncp-apigw-signature-v2", sign(method, target, timestamp))
            .header("Content-Type", "application/json")
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() >= 300) {
            // Who may, reads why at /madang/v1/refusals/<this name>.
            System.err.println(answer.statusCode() + " " + answer.body() + " " + answer.headers().firstValue("x-madang-refusal").orElse(""));
            System.exit(1);
        }
        System.out.println(answer.body());
    }
}
