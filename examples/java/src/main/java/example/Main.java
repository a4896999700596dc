package example;

import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import onrecord.v1.CheckServiceGrpc;
import onrecord.v1.CheckServiceOuterClass.BatchCheckClaimsRequest;
import onrecord.v1.CheckServiceOuterClass.CheckClaimRequest;
import onrecord.v1.CheckServiceOuterClass.CheckOptions;
import onrecord.v1.CheckServiceOuterClass.Claim;
import onrecord.v1.CheckServiceOuterClass.StreamCheckClaimsRequest;
import onrecord.v1.CheckServiceOuterClass.StreamCheckClaimsResponse;
import onrecord.v1.StatementOuterClass.Speaker;
import onrecord.v1.StatementOuterClass.Statement;
import onrecord.v1.StatementServiceGrpc;
import onrecord.v1.StatementServiceOuterClass.ImportStatementsRequest;
import onrecord.v1.StatementServiceOuterClass.ImportStatementsResponse;

/** Puts statements on the record and checks claims against it: mvn compile exec:java -Dexec.args=HOST:PORT */
public final class Main {
  private static final int SECONDS = 30; // for each call; the server refuses what cannot be done in time

  private final String parent = "collections/java-" + ProcessHandle.current().pid();
  private final CheckServiceGrpc.CheckServiceBlockingStub checks;
  private final CheckServiceGrpc.CheckServiceStub checksAsync;
  private final StatementServiceGrpc.StatementServiceStub statements;
  private final HealthGrpc.HealthBlockingStub health;

  private Main(ManagedChannel channel, String token) {
    var headers = new Metadata();
    if (token != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }
    var withToken = MetadataUtils.newAttachHeadersInterceptor(headers);
    checks = CheckServiceGrpc.newBlockingStub(channel).withInterceptors(withToken);
    checksAsync = CheckServiceGrpc.newStub(channel).withInterceptors(withToken);
    statements = StatementServiceGrpc.newStub(channel).withInterceptors(withToken);
    health = HealthGrpc.newBlockingStub(channel);
  }

  public static void main(String[] args) throws Exception {
    String target = args.length > 0 ? args[0] : "127.0.0.1:50051";
    ManagedChannel channel = Grpc.newChannelBuilder(target, InsecureChannelCredentials.create()).build();
    try {
      new Main(channel, System.getenv("ONRECORD_TOKEN")).run();
    } finally {
      channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private void run() throws Exception {
    var now = health.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).check(HealthCheckRequest.getDefaultInstance());
    System.out.println("health: " + now.getStatus());

    importStatements();

    var claim = Claim.newBuilder().setText("Putin said that Russia opposes interference in China's affairs.").build();
    var request = CheckClaimRequest.newBuilder()
        .setParent(parent)
        .setClaim(claim)
        .setOptions(CheckOptions.newBuilder().setMaxEvidence(1));
    var result = checks.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).checkClaim(request.build()).getResult();
    System.out.printf(Locale.ROOT, "check: %s %.2f - %s%n", result.getVerdict(), result.getConfidence(),
        result.getEvidence(0).getStatement().getSpeaker().getName());

    var claims = List.of(claim, Claim.getDefaultInstance(), claim("The talks in Geneva begin on Monday."));
    var batch = checks.withDeadlineAfter(SECONDS, TimeUnit.SECONDS)
        .batchCheckClaims(BatchCheckClaimsRequest.newBuilder().setParent(parent).addAllClaims(claims).build());
    System.out.println("batch: " + String.join(", ", batch.getItemsList().stream()
        .map(item -> item.hasResult() ? item.getResult().getVerdict().name() : reason(item.getError()))
        .toList()));

    streamClaims(claims);

    try {
      checks.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).checkClaim(CheckClaimRequest.getDefaultInstance());
    } catch (StatusRuntimeException error) {
      System.out.println("error: " + error.getStatus().getCode() + " " + explain(StatusProto.fromThrowable(error)));
    }
  }

  /** Puts statements on the record; a bad one is told of and passed over. */
  private void importStatements() throws Exception {
    var answers = new Collector<ImportStatementsResponse>();
    var sending = statements.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).importStatements(answers);
    sending.onNext(ImportStatementsRequest.newBuilder()
        .setParent(parent)
        .addStatements(statement("Russia opposes interference in China's affairs.", "Vladimir Putin", "Putin"))
        .addStatements(statement("The talks in Geneva begin on Monday.", "The ministry"))
        .addStatements(Statement.getDefaultInstance())
        .build());
    sending.onCompleted();
    var summary = answers.all().get(0);
    System.out.printf("import: %d stored, %d failed%n", summary.getCreatedCount(), summary.getFailedCount());
    summary.getFailuresList().forEach(failure ->
        System.out.printf("  statement %d: %s%n", failure.getIndex(), failure.getStatus().getMessage()));
  }

  /** Sends claims while the answers come in, which are in the claims' order. */
  private void streamClaims(List<Claim> claims) throws Exception {
    var answers = new Collector<StreamCheckClaimsResponse>();
    var sending = checksAsync.withDeadlineAfter(SECONDS, TimeUnit.SECONDS).streamCheckClaims(answers);
    for (Claim claim : claims) { // of very many, send only while ClientCallStreamObserver.isReady
      sending.onNext(StreamCheckClaimsRequest.newBuilder().setParent(parent).setClaim(claim).build());
    }
    sending.onCompleted();
    Function<StreamCheckClaimsResponse, String> outcome = answer -> answer.getIndex() + " "
        + (answer.hasResult() ? answer.getResult().getVerdict().name() : reason(answer.getError()));
    System.out.println("stream: " + String.join(", ", answers.all().stream().map(outcome).toList()));
  }

  private static Claim claim(String text) {
    return Claim.newBuilder().setText(text).build();
  }

  private static Statement statement(String text, String speaker, String... aliases) {
    var who = Speaker.newBuilder().setName(speaker).addAllAliases(List.of(aliases));
    return Statement.newBuilder().setText(text).setSpeaker(who).build();
  }

  private static String reason(Status status) {
    return explain(status).split(" ", 2)[0];
  }

  /** The reason of an error, its fields, and when to come back. */
  private static String explain(Status status) {
    var words = new ArrayList<String>();
    try {
      for (var detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          words.add(detail.unpack(ErrorInfo.class).getReason());
        } else if (detail.is(BadRequest.class)) {
          detail.unpack(BadRequest.class).getFieldViolationsList()
              .forEach(violation -> words.add(violation.getField() + " " + violation.getReason()));
        } else if (detail.is(RetryInfo.class)) {
          words.add("retry in " + detail.unpack(RetryInfo.class).getRetryDelay().getSeconds() + " s");
        }
      }
    } catch (com.google.protobuf.InvalidProtocolBufferException error) {
      words.add("details that cannot be read");
    }
    return String.join(" ", words);
  }

  /** Keeps the answers of a stream until it has ended. */
  private static final class Collector<T> implements StreamObserver<T> {
    private final List<T> answers = new ArrayList<>();
    private final CompletableFuture<List<T>> ended = new CompletableFuture<>();

    List<T> all() throws Exception {
      return ended.get();
    }

    @Override
    public void onNext(T answer) {
      answers.add(answer);
    }

    @Override
    public void onError(Throwable error) {
      ended.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      ended.complete(answers);
    }
  }
}
