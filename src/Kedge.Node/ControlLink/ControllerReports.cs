using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Keeps the controller informed while its stream is open: where this node is reached, which map it has, that it is there. Also asks for a
/// new certificate when it is time.
/// </summary>
/// <param name="zone">The zone.</param>
/// <param name="device">Knows when there may be something new.</param>
/// <param name="renewal">When the certificate is to be renewed.</param>
/// <param name="problems">Receives what the controller does not take.</param>
internal sealed class ControllerReports(LinkedZone zone, DeviceWatch device, RenewalSchedule renewal, Problems problems)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Reports what is new, until the session ends.</summary>
    /// <param name="client">The connection to the controller.</param>
    /// <param name="session">Ends with the stream.</param>
    public async Task RunAsync(ControllerClient client, CancellationToken session)
    {
        EndpointReport? reported = null;
        MapAcknowledgement? acknowledged = null;
        Guid answered = zone.Question;
        while (true)
        {
            // What could not be reported is reported as it is by the next time.
            EndpointReport report = zone.Report();
            if (reported is null || !report.Endpoints.SequenceEqual(reported.Endpoints))
            {
                if (await TryAsync("endpoints", () => client.ReportEndpointsAsync(report, session), session))
                    reported = report;
            }
            if (zone.AcknowledgementAfter(acknowledged) is { } next)
            {
                if (await TryAsync("acknowledgement", () => client.AcknowledgeAsync(next, session), session))
                    acknowledged = next;
            }
            if (zone.Question is var question && question != answered)
            {
                if (await TryAsync("answer", () => client.AnswerAsync(new StreamAnswer(question), session), session))
                    answered = question;
            }
            if (renewal.IsDue(DateTimeOffset.UtcNow))
                await RenewAsync(client, session);
            await device.WaitForChangeAsync(Interval, session);
        }
    }

    private async Task RenewAsync(ControllerClient client, CancellationToken session)
    {
        NodeCertificate before = zone.Certificate.Node;
        bool renewed = await TryAsync(
            "renewal",
            async () =>
            {
                EnrolmentResult result = await client.RenewAsync(await Task.Run(zone.MakeRenewal, session), session);
                if (result.Certificate is { } text)
                    zone.TryRenew(Convert.FromBase64String(text), [.. result.Authorities.Select(Convert.FromBase64String)]);
            },
            session);
        NodeCertificate now = zone.Certificate.Node;
        if (renewed && now.Fingerprint != before.Fingerprint)
            renewal.Plan(now, DateTimeOffset.UtcNow);
        else
            renewal.Retry(DateTimeOffset.UtcNow);
    }

    /// <summary>Sends something to the controller, and waits if it wants to be asked later.</summary>
    private async Task<bool> TryAsync(string what, Func<Task> send, CancellationToken session)
    {
        try
        {
            await send();
            problems.Set(what, null);
            return true;
        }
        catch (Exception e) when (e is ControllerException or FormatException or UserError)
        {
            problems.Set(what, $"The controller did not take this node's {what}: {e.Message}");
            if (e is ControllerException { RetryAfter: { } wait })
                await Task.Delay(wait, session);
            return false;
        }
    }
}
