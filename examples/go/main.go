// Puts statements on the record and checks claims against it: go run . [HOST:PORT]
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/onrecord/onrecordpb"
)

func main() {
	target := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	// a deadline for each call that is made with it; the server refuses what cannot be done in time
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if token := os.Getenv("ONRECORD_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if err := run(ctx, conn, fmt.Sprintf("collections/go-%d", os.Getpid())); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, conn *grpc.ClientConn, parent string) error {
	health, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	fmt.Println("health:", health.Status)

	if err := importStatements(ctx, pb.NewStatementServiceClient(conn), parent); err != nil {
		return err
	}

	checks := pb.NewCheckServiceClient(conn)
	claim := &pb.Claim{Text: "Putin said that Russia opposes interference in China's affairs."}
	maxEvidence := int32(1)
	checked, err := checks.CheckClaim(ctx, &pb.CheckClaimRequest{
		Parent: parent, Claim: claim, Options: &pb.CheckOptions{MaxEvidence: &maxEvidence},
	})
	if err != nil {
		return err
	}
	result := checked.Result
	fmt.Printf("check: %s %.2f - %s\n", result.Verdict, result.Confidence, result.Evidence[0].Statement.Speaker.Name)

	claims := []*pb.Claim{claim, {}, {Text: "The talks in Geneva begin on Monday."}}
	batch, err := checks.BatchCheckClaims(ctx, &pb.BatchCheckClaimsRequest{Parent: parent, Claims: claims})
	if err != nil {
		return err
	}
	var outcomes []string
	for _, item := range batch.Items {
		outcomes = append(outcomes, outcome(item.GetResult(), status.FromProto(item.GetError())))
	}
	fmt.Println("batch:", strings.Join(outcomes, ", "))

	if err := streamClaims(ctx, checks, parent, claims); err != nil {
		return err
	}

	_, err = checks.CheckClaim(ctx, &pb.CheckClaimRequest{Parent: parent, Claim: &pb.Claim{}})
	fmt.Println("error:", status.Code(err), explain(status.Convert(err)))
	return nil
}

// importStatements puts statements on the record; a bad one is told of and passed over.
func importStatements(ctx context.Context, statements pb.StatementServiceClient, parent string) error {
	stream, err := statements.ImportStatements(ctx)
	if err != nil {
		return err
	}
	message := &pb.ImportStatementsRequest{Parent: parent, Statements: []*pb.Statement{
		{
			Text:    "Russia opposes interference in China's affairs.",
			Speaker: &pb.Speaker{Name: "Vladimir Putin", Aliases: []string{"Putin"}},
		},
		{Text: "The talks in Geneva begin on Monday.", Speaker: &pb.Speaker{Name: "The ministry"}},
		{},
	}}
	if err := stream.Send(message); err != nil && err != io.EOF { // at EOF CloseAndRecv tells why
		return err
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	fmt.Printf("import: %d stored, %d failed\n", answer.CreatedCount, answer.FailedCount)
	for _, failure := range answer.Failures {
		fmt.Printf("  statement %d: %s\n", failure.Index, failure.Status.Message)
	}
	return nil
}

// streamClaims sends claims while it reads the answers, which come in the claims' order.
func streamClaims(ctx context.Context, checks pb.CheckServiceClient, parent string, claims []*pb.Claim) error {
	stream, err := checks.StreamCheckClaims(ctx)
	if err != nil {
		return err
	}
	go func() {
		for _, claim := range claims {
			if stream.Send(&pb.StreamCheckClaimsRequest{Parent: parent, Claim: claim}) != nil {
				return // Recv tells why
			}
		}
		stream.CloseSend()
	}()
	var outcomes []string
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		told := outcome(answer.GetResult(), status.FromProto(answer.GetError()))
		outcomes = append(outcomes, fmt.Sprint(answer.Index, " ", told))
	}
	fmt.Println("stream:", strings.Join(outcomes, ", "))
	return nil
}

func outcome(result *pb.CheckResult, failed *status.Status) string {
	if result != nil {
		return result.Verdict.String()
	}
	return strings.Fields(explain(failed))[0]
}

// explain gives the reason of an error, its fields, and when to come back.
func explain(failed *status.Status) string {
	var words []string
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			words = append(words, detail.Reason)
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				words = append(words, violation.Field+" "+violation.Reason)
			}
		case *errdetails.RetryInfo:
			words = append(words, "retry in "+detail.RetryDelay.AsDuration().String())
		}
	}
	return strings.Join(words, " ")
}
